"""The Kubernetes platform: pods applied from manifests, and what their API server is asked."""
