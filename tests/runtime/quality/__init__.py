"""Tests of `mlops_runtime.quality`."""
