"""The report in a real browser: nothing is loaded, anybody can read it, light and dark, wide and narrow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mlopsgen.cli.sides import Side
from mlopsgen.overview.page import page
from tests.browser import Tab
from tests.conftest import SMALLEST
from tests.overview.conftest import Compile, called, script

EVIL = "</title></style></script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
OFF = "targets: {dvc: false, prometheus: false, alertmanager: false, grafana: false, docs: false}\nrollout: {steps: [100%]}\n"
MORE = f"""
evaluation: {{gates: {{val_accuracy: {{min: 10%}}, val_loss: {{max: 9, min: 1}}}}, bias: {{pairs: tests/bias.jsonl, gap: {{max: 0.1}}}}}}
environments:
  dev: {{branch: dev, serving: {{resources: {{gpu: 1}}, cost: {{gpu_hour: 2, currency: EUR, budget: 900}}}}}}
  canary: {{branch: test, approval: true, rollout: {{hold: 45m, expected_rate: 0.1, deadline: 4h, against_champion: {{error_rate: {{max_ratio: 2}}}}}}}}
  live: {{branch: main, rollout: {{steps: [1%, 2%, 3%, 100%], check_every: 1s}}}}
monitoring:
  slo: {{}}
  notify: {{slack: {{channel: "#{"x" * 60}", webhook: {{secret: s, key: u}}}}}}
  alerts:
    accuracy: {{min: 80%}}
    custom: [{{name: Odd, expr: "model_queue_depth > 50", summary: {json.dumps(EVIL)}}}]
"""


def written(side: Side, folder: Path, **more: Any) -> str:
    """Address of the page."""
    path = folder / "report.html"
    path.write_text(page(side.project, side.files, side.source.digest, **more), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def pages(full: Side, smallest: Side, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of the examples' reports."""
    sides = {"full": full, "smallest": smallest}
    return {name: written(side, tmp_path_factory.mktemp(name)) for name, side in sides.items()}


AXE = """
async () => {
    const found = await axe.run(document, { resultTypes: ["violations"] });
    return found.violations.map((each) => each.id + ": " + each.nodes.map((node) => node.html.slice(0, 120)).join(" "));
}
"""


def judged(tab: Tab, url: str, scheme: str, width: int = 1280) -> None:
    """One request, no fault, nothing beside the window, nothing that axe finds."""
    tab.look(scheme, width=width)
    tab.requests.clear()
    tab.faults.clear()
    tab.open(url)
    assert tab.requests == [url]
    assert not tab.faults
    assert tab.value("document.documentElement.scrollWidth <= window.innerWidth") is True
    tab.value(script("axe.js").read_text(encoding="utf-8") + "; 0")
    assert called(tab, AXE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["full", "smallest"])
def test_it_loads_nothing_and_passes_axe(tab: Tab, pages: dict[str, str], name: str, scheme: str) -> None:
    judged(tab, pages[name], scheme)


@pytest.mark.parametrize("name", ["full", "smallest"])
def test_it_is_as_good_on_a_telephone(tab: Tab, pages: dict[str, str], name: str) -> None:
    judged(tab, pages[name], "light", width=390)


@pytest.mark.parametrize("more", [OFF, MORE], ids=["off", "more"])
def test_specs_with_parts_off_and_with_odd_ones(tab: Tab, compiled: Compile, tmp_path: Path, more: str) -> None:
    text = SMALLEST.read_text(encoding="utf-8")
    text = text.replace("{name: docstrings}", f"{{name: docstrings, owner: team, description: {json.dumps(EVIL)}}}")
    judged(tab, written(compiled(text + more), tmp_path), "light")
    assert tab.value("document.title") == "docstrings: what mlops.yaml makes"
    assert tab.text(".lead") == EVIL
    assert tab.value("document.scripts.length + document.images.length") == 0
    said = tab.text("main")
    if more == OFF:
        for part in ("no pipeline", "no alerts", "no dashboards", "at once in every environment", "No gates"):
            assert part in said, part
    else:
        assert EVIL in said
        assert "1,440 EUR" in said
        assert "900 EUR" in said
        assert re.search(r"In canary\n", said)
        assert re.search(r"In live\n", said)
        assert said.count("marked under the axis") == 0
        assert said.count("At the expected rate that comes first.") == 1


def test_the_policy_lets_nothing_in_but_the_own_style(tab: Tab, pages: dict[str, str]) -> None:
    tab.open(pages["full"])
    policy = tab.value("document.querySelector('meta[http-equiv=Content-Security-Policy]').content")
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'", policy
    )
    assert tab.value("getComputedStyle(document.querySelector('.card')).borderRadius") == "10px", "the style holds"
    assert tab.value("getComputedStyle(document.body).backgroundColor") != "rgba(0, 0, 0, 0)"
    refused = """
        async () => {
            const image = new Image();
            const ended = new Promise((resolve) => { image.onload = () => resolve("loaded"); image.onerror = () => resolve("refused"); });
            image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=";
            return await ended;
        }
    """
    assert called(tab, refused) == "refused"


WIDE = """
() => {
    document.querySelectorAll("details").forEach((each) => { each.open = true; });
    const found = [];
    for (const text of document.querySelectorAll("svg[role=img] text")) {
        const inner = text.parentNode.closest("svg"), box = text.getBBox();
        const room = inner.getAttribute("role") ? inner.viewBox.baseVal.width : inner.width.baseVal.value;
        if (box.x < 0 || box.x + box.width > room + 0.5) found.push(text.textContent);
    }
    return found;
}
"""


@pytest.mark.parametrize("name", ["full", "smallest"])
def test_texts_fit_into_their_drawings(tab: Tab, pages: dict[str, str], name: str) -> None:
    tab.look("light", width=1280)
    tab.open(pages[name])
    assert called(tab, WIDE) == []


def test_texts_of_stages_fit_into_their_boxes(tab: Tab, pages: dict[str, str]) -> None:
    tab.open(pages["full"])
    widest = "Math.max(...[...document.querySelectorAll('#pipeline svg text')].map((each) => each.getBBox().width))"
    assert 60 < tab.value(widest) <= 124 - 18


def colours(style: str) -> Iterator[dict[str, str]]:
    """The palettes of the stylesheet: light, dark, print."""
    for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL):
        yield dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def contrast(one: str, other: str) -> float:
    """Source: WCAG 2.2, contrast ratio and relative luminance."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_colour_of_text_is_clear_of_what_lies_behind_it(full: Side) -> None:
    text = page(full.project, full.files, "")
    palettes = list(colours(text))
    assert len(palettes) == 3
    grounds = ("paper", "card", "faint", "wash")
    pairs = [(ink, ground) for ink in ("ink", "soft") for ground in grounds]
    pairs += [("accent", "paper"), ("accent", "card"), ("warning", "warning-wash"), ("critical", "critical-wash")]
    pairs += [("ink", "info-wash"), ("ink", "critical-wash"), ("soft", "critical-wash")]
    for palette in palettes:
        for ink, ground in pairs:
            assert contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground, palette)


class Outline(HTMLParser):
    """Headings, identifiers, links and tables of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.named: list[str] = []
        self.scopes: list[str | None] = []
        self.tags: list[str] = []
        self.styles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "th":
            self.scopes.append(given.get("scope"))
        self.links += [str(given[name]) for name in ("href", "src", "srcset", "action", "xlink:href") if name in given]
        self.named += [str(given[name]) for name in ("aria-labelledby", "aria-describedby") if name in given]
        self.styles += [str(given["style"])] if "style" in given else []


@pytest.mark.parametrize("name", ["full", "smallest"])
def test_the_outline_is_sound(pages: dict[str, str], name: str) -> None:
    text = Path(pages[name].removeprefix("file://")).read_text(encoding="utf-8")
    found = Outline()
    found.feed(text)
    assert found.levels[0] == 1
    assert found.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(found.levels, found.levels[1:], strict=False))
    assert len(found.ids) == len(set(found.ids))
    assert set(found.named) <= set(found.ids)
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)
    assert {"header", "nav", "main", "footer"} <= set(found.tags)
    assert set(found.scopes) <= {"col", "row", "rowgroup"}
    assert found.tags.count("table") == found.tags.count("caption")
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "input", "base"} & set(found.tags)
    assert not found.styles
    assert "@import" not in text
    assert "url(" not in text


def test_keys_reach_everything_that_scrolls(tab: Tab, pages: dict[str, str]) -> None:
    tab.look("light", width=390)
    tab.open(pages["full"])
    unreachable = """[...document.querySelectorAll("main *")].filter((each) =>
        each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX === "auto" && each.tabIndex !== 0).length"""
    assert tab.value(unreachable) == 0
    tab.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert tab.value("document.activeElement.textContent") == "To the content"
    assert tab.value("document.activeElement.getBoundingClientRect().top >= 0") is True


def test_on_paper_everything_is_open_and_black(tab: Tab, pages: dict[str, str]) -> None:
    tab.call("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    tab.call("Emulation.setDeviceMetricsOverride", width=760, height=1000, deviceScaleFactor=1, mobile=False)
    tab.open(pages["full"])
    assert tab.value("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert tab.value("getComputedStyle(document.querySelector('nav')).display") == "none"
    hidden = "[...document.querySelectorAll('.board .drawing svg')].filter((each) => !each.checkVisibility()).length"
    assert tab.value(hidden) == 0
    assert tab.value("document.documentElement.scrollWidth <= window.innerWidth") is True
    tab.call("Emulation.setEmulatedMedia", media="", features=[])


def test_the_rollout_is_drawn_to_scale(tab: Tab, pages: dict[str, str]) -> None:
    tab.look("light", width=1280)
    tab.open(pages["full"])
    heights = """(() => {
        const line = document.querySelector("#rollout svg .line"), box = line.getBBox();
        const shares = [];
        for (let part = 0; part < 5; part++) {
            const x = box.x + box.width * (part + 0.5) / 5;
            let low = 0, high = line.getTotalLength();
            while (high - low > 0.01) {
                const middle = (low + high) / 2;
                if (line.getPointAtLength(middle).x < x) low = middle; else high = middle;
            }
            shares.push((box.y + box.height - line.getPointAtLength(low).y) / box.height);
        }
        return shares;
    })()"""
    assert tab.value(heights) == pytest.approx([0.05, 0.1, 0.25, 0.5, 1.0], abs=0.005)
    assert "50m" in tab.text(".figures")
    rows = tab.value(
        "[...document.querySelectorAll('#rollout tbody tr')].map((each) => each.innerText.split('\\t')[0])"
    )
    assert rows == ["5%", "10%", "25%", "50%", "100%"]


def test_dashboards_are_drawn_where_grafana_puts_them(tab: Tab, pages: dict[str, str], full: Side) -> None:
    tab.look("light", width=1280)
    tab.open(pages["full"])
    drawn = """[...document.querySelectorAll("#dashboards details:nth-of-type(1) svg svg")].map((each) => [
        each.querySelector(".title").textContent, each.x.baseVal.value, each.width.baseVal.value])"""
    panels = full.files.document("monitoring/dashboards/service.json")["panels"]
    wanted = [(each["title"], each["gridPos"]) for each in panels if each["type"] != "row"]
    found = tab.value(drawn)
    assert len(found) == len(wanted)
    for (title, x, width), (name, place) in zip(found, wanted, strict=True):
        assert name.startswith(title.rstrip("…"))
        assert x == pytest.approx(place["x"] * 43 + 3)
        assert width == pytest.approx(place["w"] * 43 - 6)
