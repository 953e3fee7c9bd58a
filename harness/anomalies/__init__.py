"""What can be wrong with a history of single operations, one family of anomalies a file."""
