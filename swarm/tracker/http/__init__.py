"""The tracker's HTTP front, and how agents find the tracker through it."""
