"""One page of HTML that holds everything: nothing is loaded, no script runs, the same spec gives the same bytes."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import jinja2
from markupsafe import Markup

from mlopsgen.overview import delivery, limits, pipeline, tables, values
from mlopsgen.overview.alerts import SEVERITIES, Alert, alerts
from mlopsgen.overview.boards import boards
from mlopsgen.overview.drawings import boards as board_drawings
from mlopsgen.overview.drawings import limits as limit_drawings
from mlopsgen.overview.drawings import pipeline as pipeline_drawings
from mlopsgen.overview.drawings import rollout as rollout_drawings
from mlopsgen.overview.svg import element
from mlopsgen.project.model import Project
from mlopsgen.render.template import FOLDERS, SYNTAX
from mlopsgen.review import words
from mlopsgen.review.documents import Files

MARK = "<!doctype html>\n<!-- A report of mlopsgen. -->\n"
"""How every report begins: a file that does not is never overwritten."""


def page(project: Project, files: Files, digest: str, last: Mapping[str, Any] | None = None) -> str:
    """The whole page.

    Args:
        project: the resolved project.
        files: what a build writes.
        digest: of the spec.
        last: what `reports/training.json` says of the last run, if there was one.
    """
    environment = _environment()
    style = environment.get_template("report/page.css").render()
    context = {
        "style": Markup(style),  # noqa: S704
        "style_hash": base64.b64encode(sha256(style.encode()).digest()).decode(),
        "project": project,
        "digest": digest,
        **_pipeline(project, files),
        **_delivery(project),
        **_money(project, last),
        **_alerts(project, files),
        **_boards(project, files),
    }
    context["figures"] = _figures(project, context)
    return MARK + str(environment.get_template("report/page.html").render(context))


def _environment() -> jinja2.Environment:
    """The delimiters are those of all templates; every value is escaped for HTML."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDERS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        **SYNTAX,
    )


def _pipeline(project: Project, files: Files) -> dict[str, Any]:
    stages = pipeline.stages(files)
    return {
        "stages": stages,
        "pipeline_picture": pipeline_drawings.draw(stages) if stages else "",
        "requirements": pipeline.requirements(project),
    }


def _delivery(project: Project) -> dict[str, Any]:
    plans = [
        {
            "names": words.listed([each.name for each in plan.environments]),
            "picture": rollout_drawings.draw(plan, f"rollout-{number}"),
            "steps": tables.steps(plan),
            "length": values.span(plan.length),
            "rollout": plan.rollout,
            "hold": values.span(plan.rollout.hold),
            "every": values.span(plan.rollout.check_every),
            "deadline": values.span(plan.rollout.deadline),
            "decides": _first_up(delivery.decides(plan.environments[0])),
            "marked": rollout_drawings.marks(plan),
            "late": plan.length > plan.rollout.deadline,
            "alpha": values.share(plan.rollout.against_champion.alpha) if plan.rollout.against_champion else "",
        }
        for number, plan in enumerate(delivery.plans(project), start=1)
    ]
    tested, tests = tables.experiments(project)
    return {
        "plans": plans,
        "at_once": words.listed([each.name for each in project.environments if not each.canary]),
        "facts": tables.environments(project),
        "tested": tested,
        "tests": tests,
    }


def _first_up(text: str) -> str:
    """The text as it begins a sentence."""
    return text[:1].upper() + text[1:]


def _money(project: Project, last: Mapping[str, Any] | None) -> dict[str, Any]:
    prices = tables.prices(project)
    most = max((each.month[1] for each in prices if each.month), default=0.0)
    return {
        "prices": [{"price": each, "bar": _bar(each, most)} for each in prices],
        "total": tables.total(project),
        "training": tables.training(project, last),
    }


def _bar(given: tables.Price, most: float) -> Markup:
    """From the lowest to the highest price; the sentence beside says the same."""
    if given.month is None or not most:
        return Markup("")
    low, high = (220 * each / most for each in given.month)
    return element(
        "svg",
        element("rect", x=0.0, y=4.0, width=220.0, height=8.0, rx=4.0, class_="track"),
        element("rect", x=0.0, y=4.0, width=max(high, 1.0), height=8.0, rx=4.0, class_="may"),
        element("rect", x=0.0, y=4.0, width=max(low, 1.0), height=8.0, rx=4.0, class_="must"),
        viewBox="0 0 220 16",
        width=220.0,
        height=16.0,
        class_="ruler",
        aria_hidden="true",
    )


def _alerts(project: Project, files: Files) -> dict[str, Any]:
    found = alerts(project, files)
    return {
        "scales": [
            limit_drawings.scale(each, f"scale-{number}") for number, each in enumerate(limits.scales(project), start=1)
        ],
        "last": project.environments[-1].name,
        "alerts": found,
        "runbooks": project.targets.docs,
        "categories": [
            {"name": name, "alerts": [_row(project, each) for each in found if each.category == name]}
            for name in dict.fromkeys(each.category for each in found)
        ],
        "severities": [
            f"{number} {severity}"
            for severity in SEVERITIES
            if (number := sum(each.severity == severity for each in found))
        ],
    }


def _row(project: Project, given: Alert) -> dict[str, Any]:
    ways = [way.shown for each in given.told for way in each.ways if not (given.retrain and way.kind == "webhook")]
    every = len(given.environments) == len(project.environments)
    return {
        "alert": given,
        "parts": re.findall(r"[A-Z]?[^A-Z]+|[A-Z]+", given.name),
        "absent": any("absent" in each for each in given.expressions),
        "where": "" if every else words.listed(given.environments),
        "limits": [{"text": each.shown, "bar": limit_drawings.ruler(each, given.severity)} for each in given.limits],
        "ways": list(dict.fromkeys(ways)),
        "then": list(_then(project, given)),
    }


def _then(project: Project, given: Alert) -> list[str]:
    found = []
    if given.retrain:
        pace = project.environments[-1].monitoring.notify.retrain
        rate = f"at most {pace.max_per_day:,} a day, {values.span(pace.min_interval)} apart"
        found.append(f"a training starts ({rate})" if given.told else "should start a training, but nobody is told")
    if "category" in given.mutes:
        found.append("lesser alerts on the same are muted")
    return found


def _boards(project: Project, files: Files) -> dict[str, Any]:
    found = boards(files, tuple(project.monitoring.dashboards))
    return {"boards": [{"board": each, "picture": board_drawings.draw(each)} for each in found]}


def _figures(project: Project, context: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """A few numbers that say most: name, value, a word on it."""
    found = [("Released through", " → ".join(each.name for each in project.environments), "")]
    if context["plans"]:
        plan = context["plans"][-1]
        found.append(("A new version takes", plan["length"], f"in {plan['names']}, at the earliest"))
    if context["alerts"]:
        found.append(("Alerts", str(len(context["alerts"])), ", ".join(context["severities"])))
    if context["total"]:
        found.append(("Servers cost", context["total"], "in 30 days"))
    elif all(not each["price"].month for each in context["prices"]):
        found.append(("GPUs", context["prices"][-1]["price"].gpus, f"in {context['prices'][-1]['price'].environment}"))
    return found
