"""Evaluation: what a model must show before it becomes a version."""
