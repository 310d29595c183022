"""Compiles one mlops.yaml into everything around the code of a machine-learning service."""
