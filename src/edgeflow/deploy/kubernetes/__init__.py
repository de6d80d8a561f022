"""A stack as objects of Kubernetes: pure functions from workloads to dicts."""
