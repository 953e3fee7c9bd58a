"""Tests of harness.ledger."""
