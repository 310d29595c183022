"""The status page: what it serves and to whom, and what a real browser shows."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Tab, chromium
from tests.processes.project import BASE, Project, made, until
from tests.processes.rollouts import STATUS, Controller

EVIL = "</script><img src=x onerror=\"document.title='taken'\">"

ALERTS = {
    "data": {
        "alerts": [
            {
                "labels": {"alertname": "ModelErrorRateHigh", "severity": "critical", "variant": "canary"},
                "annotations": {"summary": f"It fails {EVIL}", "description": "5 % of the requests"},
                "state": "firing",
                "activeAt": "2026-11-23T15:00:00Z",
            }
        ]
    }
}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A running project: one process that works, one that fails, one that answers with an alert."""
    projects = made(tmp_path_factory.mktemp("page"))
    make: Callable[..., Project] = next(projects)
    found = make(
        ("server", {}),
        ("broken", {"options": ["dies"], "restarts": 0}),
        ("prometheus", {}),
        rollout=STATUS,
        alerts=f"http://127.0.0.1:{BASE + 3}/alias",
        links={"MLflow": f"http://127.0.0.1:{BASE + 1}"},
    )
    (found.folder / "alias.json").write_text(json.dumps(ALERTS), encoding="utf-8")
    run = found.up()
    found.says("not everything runs")
    yield found
    run.terminate()
    run.wait(20)
    for _ in projects:
        raise AssertionError


def ask(given: Project, path: str, method: str = "GET", host: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """Answer of the page's server."""
    port = given.status()["page"].rpartition(":")[2]
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_only_this_machine_reads_it(given: Project) -> None:
    port = given.status()["page"].rpartition(":")[2]
    assert ask(given, "/")[0] == 200
    assert ask(given, "/api/status.json", host=f"localhost:{port}")[0] == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "localhost:1", ""):
        status, _, content = ask(given, "/api/status.json", host=host or " ")
        assert status == 421, host
        assert b"server" not in content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_nothing_but_reading(given: Project, method: str) -> None:
    assert ask(given, "/api/status.json", method)[0] == 501


def test_nothing_else_is_served(given: Project) -> None:
    for path in (
        "/../place.py",
        "/page.py",
        "//etc/passwd",
        "/local/processes.yaml",
        "/api",
        "/report",
        "/%2e%2e/plan.py",
    ):
        assert ask(given, path)[0] == 404, path
    for path in ("/", "/page.css", "/page.js"):
        _, headers, content = ask(given, path)
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert not re.search(rb"(src|href|url)\s*[=(]\s*[\"']?(https?:)?//", content), "nothing comes from the network"


def test_the_report_is_a_page_of_the_project_and_nothing_else(given: Project, tmp_path: Path) -> None:
    control = Controller(given.folder)
    (given.folder / "report.html").write_text("<p>how it went</p>", encoding="utf-8")
    (tmp_path / "outside.html").write_text("secret", encoding="utf-8")
    (given.folder / "link.html").symlink_to(tmp_path / "outside.html")
    for name, status in (
        ("report.html", 200),
        (str(tmp_path / "outside.html"), 404),
        ("link.html", 404),
        ("local/processes.yaml", 404),
        (3, 404),
    ):
        control.write(0, "hold", "", report=name)
        found, headers, content = ask(given, "/report")
        assert found == status, name
        if status == 200:
            assert "sandbox" in headers["content-security-policy"]
            assert content == b"<p>how it went</p>"
    (given.folder / STATUS).unlink()


def test_status_in_words(given: Project) -> None:
    control = Controller(given.folder)
    control.write(0, "advance", "on to 25 %", weight=0.25, step=2)
    done = given.run("status")
    assert done.returncode == 1, "a process failed"
    assert re.search(r"^server +ready +port \d+, process \d+$", done.stdout, re.MULTILINE)
    assert re.search(r"^broken +failed +ended with exit code 1, at once$", done.stdout, re.MULTILINE)
    assert "rollout       running: 25% to version 4, step 3 of 5\n              on to 25 %" in done.stdout
    assert "alert         firing: ModelErrorRateHigh critical It fails" in done.stdout
    found = json.loads(given.run("status", "--format", "json").stdout)
    assert found["running"] is True
    assert found["rollout"]["weight"] == 0.25
    (given.folder / STATUS).unlink()


@pytest.fixture(scope="module")
def tab(given: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A browser that looks at the page."""
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        found.look("light")
        found.open(given.status()["page"])
        until(lambda: found.value("Number(document.body.dataset.turns) > 0"), "the page has its data")
        yield found
        assert not found.faults
        page = given.status()["page"]
        assert all(url.startswith((page, "data:", "about:", "chrome:")) for url in found.requests), found.requests


def points(tab: Tab) -> Any:
    """Of the curve, as the page draws it: the latest weight, and how high the line ends, from 0 to 1."""
    return tab.value(
        """(() => {
            const chart = document.querySelector("#weight");
            if (!chart) return null;
            const line = chart.querySelector(".weight");
            const end = line.getPointAtLength(line.getTotalLength());
            return [Number(chart.dataset.latest), (210 - end.y) / 196];
        })()"""
    )


def test_a_browser_shows_processes_and_alerts_as_text(given: Project, tab: Tab) -> None:
    assert re.search(r"server\s+ready", tab.text("#processes"))
    assert re.search(r"broken\s+failed\s+ended with exit code 1, at once", tab.text("#processes"))
    assert "broken failed" in tab.text("#health")
    assert "There has been no rollout yet" in tab.text("#rollout")
    assert EVIL in tab.text("#alerts")
    assert "critical" in tab.text("#alerts")
    assert tab.value("document.images.length") == 0
    assert tab.value("document.title") == "stand-ins: mlopsgen"
    tab.value("document.querySelector('[aria-label=\"Log of broken\"]').click()")
    turns = tab.value("Number(document.body.dataset.turns)")
    until(lambda: tab.value("Number(document.body.dataset.turns)") > turns + 1, "it has drawn itself again")
    assert "a reason to die" in tab.text("#processes"), "a log that was opened stays open"
    assert tab.value("[...document.querySelectorAll('#links a')].map(a => a.textContent).join()") == "MLflow"


def test_a_browser_shows_the_weight_moving_and_the_reason_of_a_rollback(given: Project, tab: Tab) -> None:
    control = Controller(given.folder, began=time.time() - 60)
    control.write(0, "start", "version 4 is tried", weight=0.05)
    until(lambda: points(tab), "the curve is there")
    for step, weight in ((1, 0.1), (2, 0.25), (3, 0.5)):
        control.write(10, "advance", f"version 4 holds its gates: on to {weight:.0%}", weight=weight, step=step)
        until(lambda: points(tab)[0] == weight, f"the curve reaches {weight}")  # noqa: B023
        assert points(tab)[1] == pytest.approx(weight, abs=0.005)
        assert f"{weight:.0%}".replace("%", " %") in tab.text("#rollout dl")
    label = tab.value("document.querySelector('#weight').getAttribute('aria-label')")
    assert label.startswith("Share of the traffic that the canary had, from 5 % to 50 %")
    assert tab.text("#reason") == ""
    text = f"12.1 % of 310 requests of the canary failed, 0.4 % of the champion's {EVIL}"
    control.write(8, "rollback", text, phase="rolled_back", reason="error_rate", weight=0.0)
    until(lambda: tab.text("#reason"), "the reason is there")
    assert tab.text("#reason") == f"Rolled back: error rate\n{text}"
    assert points(tab) == [0.0, pytest.approx(0.0, abs=0.005)]
    assert "rolled back" in tab.text("#rollout dl")
    assert tab.value("document.querySelectorAll('#weight circle.bad').length") == 1
    (given.folder / STATUS).unlink()
    until(lambda: "no rollout yet" in tab.text("#rollout"), "it is gone")


@pytest.mark.slow
def test_a_status_of_another_shape_breaks_nothing(given: Project, tab: Tab) -> None:
    (given.folder / STATUS).parent.mkdir(parents=True, exist_ok=True)
    odd = '{"history": 3, "decisions": {}, "steps": "x", "weight": "a", "step": []}'
    worse = '{"history": [{"at": null, "weight": 1e400}, 3], "phase": "__proto__", "decisions": [{"at": "x"}], "text": [], "step": true}'
    for content in ("", "[]", odd, worse):
        (given.folder / STATUS).write_text(content, encoding="utf-8")
        turns = tab.value("Number(document.body.dataset.turns)")
        until(lambda: tab.value("Number(document.body.dataset.turns)") > turns + 1, "it has drawn itself again")  # noqa: B023
        assert "fault" not in tab.text("#health"), content
        assert ("no rollout yet" in tab.text("#rollout")) == (content in ("", "[]"))
    assert given.run("status").returncode == 1
    (given.folder / STATUS).unlink()


CONTRAST = """
(() => {
    const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c) && c !== "transparent") return c; } return "rgb(255,255,255)"; };
    const found = [];
    for (const e of document.querySelectorAll("body *")) {
        if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || e.closest("noscript, title")) continue;
        const style = getComputedStyle(e), ink = e.closest("svg") ? style.fill : style.color;
        const [a, b] = [light(ink), light(behind(e))].sort((x, y) => y - x);
        found.push([(a + 0.05) / (b + 0.05), e.tagName + "." + (e.getAttribute("class") || "") + ": " + e.textContent.slice(0, 30)]);
    }
    return found.sort((x, y) => x[0] - y[0])[0];
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_and_has_a_name(given: Project, tab: Tab, scheme: str) -> None:
    control = Controller(given.folder)
    control.write(0, "advance", "on", weight=0.25, step=2)
    control.write(3, "rollback", "bad", weight=0.0, phase="rolled_back", reason="latency_p95")
    tab.look(scheme)
    until(lambda: tab.text("#reason"), "a page with everything on it")
    worst, where = tab.value(CONTRAST)
    assert worst >= 4.5, f"contrast of {where}"
    unnamed = "[...document.querySelectorAll('a, button, section, svg[role=img], nav')].filter(e => !(e.textContent.trim() || e.getAttribute('aria-label'))).length"
    assert tab.value(unnamed) == 0
    assert tab.value("document.documentElement.lang") == "en"
    assert tab.value("[...document.querySelectorAll('th')].every(e => e.scope === 'col')") is True
    (given.folder / STATUS).unlink()


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_runs_out_of_the_window(tab: Tab, width: int) -> None:
    tab.look("light", width=width)
    assert tab.value("document.documentElement.scrollWidth <= window.innerWidth") is True
    tab.look("light")
