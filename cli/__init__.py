"""The swarm command: one file a command, one table of exit codes."""
