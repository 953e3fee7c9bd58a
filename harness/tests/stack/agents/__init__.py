"""Pods that the harness does not see into, tested."""
