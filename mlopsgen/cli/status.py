"""`mlopsgen status`."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import click

from mlopsgen.cli import words
from mlopsgen.cli.workspace import SPEC, Workspace


@click.command()
@click.argument("spec", default=SPEC, type=click.Path())
@words.formats("text", "json")
def command(spec: str, form: str) -> int:
    """Tell how what `mlopsgen up` runs for SPEC is: processes, rollout, alerts. Exit code 1 when nothing runs, or a
    process failed.

    \b
    Examples:
      mlopsgen status
      mlopsgen status --format json
    """
    from mlopsgen.processes.place import Place

    place = Place(Workspace(spec).folder)
    held = place.is_held()
    found = _asked(place.supervisor().get("page")) if held else None
    if found is None:
        said = "it is just starting or ending: ask again" if held else "nothing runs here: `mlopsgen up` starts it"
        click.echo(json.dumps({"running": held}) if form == "json" else said)
        return 1
    if form == "json":
        click.echo(json.dumps({"running": True, **found}, indent=2, ensure_ascii=False))
    else:
        _show(found)
    return 1 if any(each["state"] == "failed" for each in found["processes"]) else 0


def _asked(page: str | None) -> dict[str, Any] | None:
    """The supervisor's own account; None while it starts or ends."""
    if page is None:
        return None
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{page}/api/status.json", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, ValueError):
        return None


def _show(found: dict[str, Any]) -> None:
    from mlopsgen.cli.up import say

    for each in found["processes"]:
        words = [each["text"]] if each["text"] else []
        words += [f"port {port}" for port in each["ports"].values()] if each["pid"] else []
        words += ["does not answer"] if each["state"] == "ready" and not each["answers"] else []
        words += [f"process {each['pid']}"] if each["pid"] else []
        words += [f"restarted {each['restarts']} times"] if each["restarts"] else []
        say(each["name"], each["state"], ", ".join(words))
    rollout, alerts = found["rollout"], found["alerts"]
    click.echo()
    if rollout is None:
        click.echo("rollout       none yet")
    else:
        step = f"step {rollout['step'] + 1} of {len(rollout['steps'])}"
        reason = f" ({rollout['reason']})" if rollout["reason"] else ""
        weight = f"{rollout['weight']:.0%} to version {rollout['canary']}"
        click.echo(f"rollout       {rollout['phase'].replace('_', ' ')}{reason}: {weight}, {step}")
        click.echo(f"              {rollout['text']}".rstrip())
    if alerts["error"]:
        click.echo(f"alerts        {alerts['error']}")
    for each in alerts["found"]:
        click.echo(f"alert         {each['state']}: {each['name']} {each['severity']} {each['summary']}")
    if not alerts["found"] and not alerts["error"]:
        click.echo("alerts        none")
    click.echo(f"page          {found['page']}")
