"""From files to a stream of blocks: scan a directory, lay its files end to end, cut, hash."""
