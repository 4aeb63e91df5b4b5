"""Which reads of the store, and which crossings of a site's border, are allowed now. Pure."""
