"""Commands of a served model: the server, what asks it, what watches it."""

from __future__ import annotations

import sys
from typing import Any

import click

from mlops_runtime.cli import words


@words.command("serve")
def serve() -> None:
    """Reads its settings at `MLOPS_CONFIG`, or mlops.yaml and params.yaml in the working directory; answers until
    SIGTERM, after which requests under way are finished.

    \b
    Examples:
      mlops-runtime serve
      MLOPS_MODEL_URI=models:/assistant/3 mlops-runtime serve
    """
    from mlops_runtime.serving.serve import serve as run

    sys.exit(run())


@words.command("smoke")
@click.option("--url", required=True, help="Address of the server, or of the gateway in front of it.")
@words.headers
def smoke(url: str, headers: dict[str, str]) -> None:
    """Waits until the server is ready and asks it the prompts of tests/smoke.jsonl, or built-in ones. The bearer token
    stands in `MLOPS_AUTH_TOKEN`. Exit code 1 when it does not answer as it should.

    \b
    Examples:
      mlops-runtime smoke --url http://localhost:8000
      mlops-runtime smoke --url https://api.acme.dev --header user-group:beta-testers
    """
    from mlops_runtime.smoke import smoke as run

    sys.exit(run(url, headers))


@words.command("bench")
@click.argument("url")
@click.option("--clients", type=click.IntRange(1, 10_000), help="Closed loop: callers who wait.  [default: 8]")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Open loop: requests a second on average.")
@click.option("--requests", type=click.IntRange(min=1), help="Requests to send.")
@click.option("--duration", type=click.FloatRange(0, min_open=True), help="Seconds to send for.  [default: 30]")
@click.option("--prompts", metavar="FILE", help="Prompts, one a line or JSON lines; built-in ones of mixed lengths.")
@click.option("--max-tokens", default="16-128", show_default=True, help="Longest answer, or a range to draw it from.")
@click.option("--seed", default=0, show_default=True, help="Of prompts, lengths and arrivals.")
@click.option("--report", metavar="FILE", help="Page (.html) or picture (.png) of latencies.")
@words.headers
@words.output_format
def bench(url: str, form: str, **load: Any) -> None:
    """Sends prompts to the server at URL, by callers who wait (`--clients`) or at a rate whatever it does (`--rate`).
    The bearer token stands in `MLOPS_AUTH_TOKEN`.

    \b
    Examples:
      mlops-runtime bench http://localhost:8000
      mlops-runtime bench http://localhost:8000 --rate 20 --duration 60 --report load.html
    """
    from mlops_runtime.load.bench import Load, show
    from mlops_runtime.load.bench import bench as run

    found = run(url, Load(**load))
    words.printed(found, form, show)
    sys.exit(130 if found["interrupted"] else 0)


@words.command("quality")
def quality() -> None:
    """Reads its settings at `MLOPS_CONFIG` and runs until SIGTERM: asks the served model what is recent, scores
    held-out records, and shows what it measured at /metrics.

    \b
    Example:
      MLOPS_CONFIG=/etc/mlops/settings.yaml mlops-runtime quality
    """
    from mlops_runtime.quality.run import quality as run

    sys.exit(run())
