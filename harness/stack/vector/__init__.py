"""The metrics agent: Vector, its configuration, and what it says of itself."""
