"""Tests of the life of a record."""
