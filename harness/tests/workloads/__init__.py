"""Tests of the workloads: their words, their records, their clients, and who starts and upsets these."""
