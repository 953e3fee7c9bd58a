"""The report: a pure function of one run directory."""
