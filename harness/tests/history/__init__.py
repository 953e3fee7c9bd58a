"""Tests of the history model: its lines, its columns."""
