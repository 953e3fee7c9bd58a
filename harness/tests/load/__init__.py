"""Tests of harness.load."""
