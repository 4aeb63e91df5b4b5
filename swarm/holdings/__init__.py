"""What this machine has: the only way to local blocks."""
