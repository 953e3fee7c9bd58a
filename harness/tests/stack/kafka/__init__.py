"""The Kafka component, tested."""
