"""Histories of single operations: the model, its JSON lines, its columns."""
