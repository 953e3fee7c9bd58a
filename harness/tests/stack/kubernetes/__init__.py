"""The Kubernetes platform, tested."""
