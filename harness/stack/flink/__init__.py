"""The Flink component: its processes, the job on them, and what they tell."""
