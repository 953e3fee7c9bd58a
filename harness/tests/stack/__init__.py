"""Tests of the stack's parts."""
