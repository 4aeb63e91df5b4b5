"""A simulator that drives the production node and tracker over a model of the network."""
