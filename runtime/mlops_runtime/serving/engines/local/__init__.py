"""The engine in this process: continuous batching over a cache of fixed size."""

from mlops_runtime.serving.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
