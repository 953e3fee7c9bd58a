"""The Flink component, tested."""
