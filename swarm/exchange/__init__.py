"""What one agent decides: who is given what, and who is asked. Pure."""
