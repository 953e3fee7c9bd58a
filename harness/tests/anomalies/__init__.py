"""Tests of histories of single operations: each anomaly, its legal twin, properties."""
