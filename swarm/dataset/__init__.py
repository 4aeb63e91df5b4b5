"""From files to blocks and back: scan, cut, hash, layout."""
