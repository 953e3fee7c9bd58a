"""The docker platform, tested."""
