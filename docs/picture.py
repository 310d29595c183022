"""Takes docs/pictures/status.png, the picture of the status page, with a headless Chromium.

`python docs/picture.py http://127.0.0.1:8090` takes it from a running `mlopsgen up`; without an address it shows
stand-ins for the processes and a rollout that went wrong.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.processes.browser import chromium  # noqa: E402
from tests.processes.project import made, until  # noqa: E402
from tests.processes.rollouts import STATUS, Controller  # noqa: E402

PARTS = ("mlflow", "alertmanager", "prometheus", "champion", "canary", "envoy", "quality", "rollout")
TARGET = ROOT / "docs/pictures/status.png"


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


def take(url: str, folder: Path) -> None:
    """Take the picture."""
    with chromium(folder / "profile") as tab:
        tab.look("light", width=1120, height=700)
        tab.open(url)
        until(lambda: tab.value("Number(document.body.dataset.turns) > 0"), "the page has its data")
        TARGET.parent.mkdir(exist_ok=True)
        tab.picture(TARGET)
    print(f"{TARGET.relative_to(ROOT)} shows {url}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        if sys.argv[1:]:
            take(sys.argv[1], Path(temporary))
        else:
            with stand_ins(Path(temporary)) as address:
                take(address, Path(temporary))
