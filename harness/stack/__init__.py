"""The system under test: platforms, nodes and components."""
