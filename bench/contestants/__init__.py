"""Those who replicate the same data in the same lab: swarm, aria2, libtorrent, and HTTP from the origin alone."""
