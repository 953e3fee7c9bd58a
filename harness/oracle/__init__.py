"""A second count of a run's records, in SQL, that shares no line with the checkers."""
