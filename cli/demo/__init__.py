"""`swarm demo`: the main job on this machine, with real processes."""
