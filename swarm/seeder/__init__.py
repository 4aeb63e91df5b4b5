"""Publishes a directory, and gives what it published."""
