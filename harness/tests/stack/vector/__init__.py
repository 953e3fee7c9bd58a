"""The metrics agent, tested."""
