"""The durable home of blocks, roots and tag history."""
