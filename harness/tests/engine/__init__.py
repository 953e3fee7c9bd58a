"""Tests of the engine that judges histories of single records."""
