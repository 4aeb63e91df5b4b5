"""Files, environment and options -> frozen configs. Imports nothing heavy: `swarm --help` passes through here."""
