"""Measurements of the stack at an instant."""
