"""Figures of the harness itself, against what a bare script or Kafka's own tool reaches."""
