"""What `swarm doctor` looks at: one module a subject. A check never raises: what it finds is its result."""
