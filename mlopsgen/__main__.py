"""Entry point of `mlopsgen` and `python -m mlopsgen`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit."""
    from mlopsgen.cli.fast import main as fast

    code = fast(sys.argv[1:])
    if code is None:
        import gc

        # What is imported lives to the end: looking through it for garbage again and again is a waste.
        gc.set_threshold(50_000, 20, 100)
        if sys.argv[1:2] in (["build"], ["validate"]):
            from mlopsgen.spec.mode import lighten

            lighten()
        from mlopsgen.cli.main import run

        code = run()
    sys.exit(code)


if __name__ == "__main__":
    main()
