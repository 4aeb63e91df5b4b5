"""Who is there and takes part in what, whom they are introduced to, and who gives what of a version. Pure."""
