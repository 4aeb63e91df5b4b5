"""The tracker's store: opened, asked, looked into for what has moved there, and made to give URLs."""
