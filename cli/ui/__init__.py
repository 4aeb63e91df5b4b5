"""Screens: one stream of notices, shown as text or as JSON lines."""
