"""Judges of the Kubernetes manifests that targets write: their schemas, what they refer to, their security."""
