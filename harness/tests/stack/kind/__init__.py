"""The cluster that kind makes, tested."""
