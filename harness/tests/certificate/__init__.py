"""Tests of ``harness.certificate``."""
