"""What exists: names, tags and roots, as seeders and the store say it, each verified. Pure."""
