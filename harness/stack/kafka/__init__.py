"""The Kafka component: brokers, what they need on their disks, and what they are asked."""
