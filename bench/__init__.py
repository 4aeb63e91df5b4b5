"""Measurements. Nothing here imports swarm: commands are run and timed, as a user would run them."""
