"""Messages and block frames between programs."""
