"""Tests of `mlops_runtime.load`."""
