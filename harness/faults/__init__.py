"""Faults as guards: journal, inject, prove the effect, hold, heal, prove the healing."""
