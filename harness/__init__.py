"""edge-harness: chaos verification for the edge pipeline Kafka → Flink → Vector → S3."""

__version__ = "0.1.0"
