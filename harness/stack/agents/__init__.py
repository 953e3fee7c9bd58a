"""Pods that the harness does not see into: an agent on each of their nodes."""
