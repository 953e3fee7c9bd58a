"""Locust load: open-loop plans, producers in their own interpreter, record frames."""
