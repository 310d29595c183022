"""Entry point of `mlops-runtime`, and of `python -m mlops_runtime`, which torchrun starts."""

from __future__ import annotations

from mlops_runtime.cli.main import cli, main

__all__ = ["cli", "main"]

if __name__ == "__main__":
    main()
