"""Takes the pictures in docs/pictures/ with a headless Chromium.

`python docs/picture.py status http://127.0.0.1:8090` takes the status page from a running `mlopsgen up`; without an
address it shows stand-ins for the processes and a rollout that went wrong. `python docs/picture.py report` takes the
report of the full example, light and dark. Without a word both are taken.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mlopsgen.cli.main import run  # noqa: E402
from tests.browser import chromium  # noqa: E402
from tests.conftest import FULL  # noqa: E402
from tests.processes.project import made, until  # noqa: E402
from tests.processes.rollouts import STATUS, Controller  # noqa: E402

PARTS = ("mlflow", "alertmanager", "prometheus", "champion", "canary", "envoy", "quality", "rollout")
PICTURES = ROOT / "docs/pictures"
REPORT = (1280, 1050)
"""As much of the report as a README has room for."""


@contextmanager
def stand_ins(folder: Path) -> Iterator[str]:
    """Address of a status page on which a rollout was rolled back."""
    projects = made(folder)
    project = next(projects)(*((name, {}) for name in PARTS), rollout=STATUS)
    run = project.up()
    try:
        project.says("everything runs")
        controller = Controller(project.folder, began=time.time() - 300)
        controller.write(0, "start", "version 4 is tried against version 3", weight=0.05)
        for step, weight in ((1, 0.1), (2, 0.25)):
            controller.write(90, "advance", f"every gate passes: on to {weight:.0%}", weight=weight, step=step, held=90)
        text = "12.1% of 310 requests of the canary failed, 0.4% of the champion's: 5% is the limit"
        controller.write(60, "rollback", text, weight=0.0, phase="rolled_back", reason="error_rate", held=60)
        yield project.status()["page"]
    finally:
        run.terminate()
        run.wait(20)
        project.close()


def take_status(url: str, folder: Path) -> None:
    """Take the picture of the status page."""
    with chromium(folder / "profile") as tab:
        tab.look("light", width=1120, height=700)
        tab.open(url)
        until(lambda: tab.value("Number(document.body.dataset.turns) > 0"), "the page has its data")
        tab.picture(PICTURES / "status.png")
    print(f"docs/pictures/status.png shows {url}")


def take_report(folder: Path) -> None:
    """Take the pictures of the report."""
    page = folder / "report.html"
    assert run(["report", str(FULL), "--output", str(page)]) == 0
    with chromium(folder / "report-profile") as tab:
        for scheme, name in (("light", "report.png"), ("dark", "report-dark.png")):
            tab.look(scheme, width=REPORT[0], height=REPORT[1])
            tab.open(page.as_uri())
            tab.picture(PICTURES / name, REPORT)
            print(f"docs/pictures/{name} shows {FULL.relative_to(ROOT)}")


def main(what: str = "", address: str = "") -> None:
    """Take what was asked for."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        if what in ("", "report"):
            take_report(folder)
        if what in ("", "status"):
            with stand_ins(folder) if not address else nullcontext(address) as url:
                take_status(url, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
