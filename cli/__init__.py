"""The command line: parses, loads the configuration, calls `swarm.service` or a lower part, and shows what happens.

One file a command in `commands/`, imported only when it is called; screens in `ui/`; exit codes in `exit_codes.py`.
"""
