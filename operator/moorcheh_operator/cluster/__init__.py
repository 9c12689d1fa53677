"""The Kubernetes API server: its calls, how it is found, and the Lease of the leader."""
