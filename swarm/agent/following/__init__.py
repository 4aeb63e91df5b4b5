"""Keeping a channel's newest version present: what `swarm follow` does. `follower` runs it."""
