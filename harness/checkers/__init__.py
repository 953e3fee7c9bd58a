"""Pure functions from stored evidence to findings, one anomaly family per file."""
