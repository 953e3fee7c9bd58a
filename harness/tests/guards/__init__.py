"""Tests of the guard rails."""
