"""Faults without a stack."""
