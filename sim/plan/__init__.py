"""What a rollout of a version to a fleet will take, and what would make it faster."""
