"""What the versions of a dataset cost, and what they would cost if they were made another way."""
