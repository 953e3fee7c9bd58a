"""Platforms without their places."""
