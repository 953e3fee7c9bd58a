"""The record ledger: what was attempted, what came back, and the proof that all was read."""
