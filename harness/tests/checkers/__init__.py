"""Tests of the checkers: short hand-written histories, planted defects, properties."""
