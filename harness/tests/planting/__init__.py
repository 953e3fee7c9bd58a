"""Tests of ``harness.planting``."""
