"""Workloads: clients that use Kafka in one way, and write a history of single operations while they do."""
