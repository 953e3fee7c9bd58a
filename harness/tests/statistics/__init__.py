"""Tests of comparison and trend."""
