"""The generated files in a real Envoy, with only the ports replaced."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from mlopsgen.targets.local import ports
from tests.conftest import tool
from tests.targets.local.specs import outputs
from tests.traffic.client import ask
from tests.traffic.programs import free_ports, listens, running, until


class Envoy:
    """A running Envoy and the file of routes that it watches."""

    def __init__(self, folder: Path, port: int, admin: int) -> None:
        self.folder, self.port, self.admin = folder, port, admin
        self.watched = folder / ports.ROUTES
        self.generation = 0

    def routes(self, weight: int, change: Callable[[dict[str, Any]], None] = lambda route: None) -> str:
        """The generated routes with another weight of the canary, which testers see, and a mark that tells them from others."""
        document = yaml.safe_load((self.folder / "local/routes.yaml").read_text(encoding="utf-8"))
        [configuration] = document["resources"]
        [split] = [each for each in configuration["virtual_hosts"][0]["routes"] if each["name"] == "split"]
        canary, champion = split["route"]["weighted_clusters"]["clusters"]
        canary["weight"], champion["weight"] = weight, 100 - weight
        for testers in (each for each in configuration["virtual_hosts"][0]["routes"] if each["name"] == "testers"):
            tried, kept = testers["route"]["weighted_clusters"]["clusters"]
            tried["weight"], kept["weight"] = 100, 0
        change(split["route"])
        mark = {"key": "x-generation", "value": str(self.generation + 1)}
        configuration["response_headers_to_add"] = [{"header": mark}]
        return yaml.safe_dump(document, sort_keys=False)

    def put(self, text: str) -> None:
        """Rename a file with this text over the watched one."""
        temporary = self.watched.with_suffix(".new")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, self.watched)

    def weigh(self, weight: int, change: Callable[[dict[str, Any]], None] = lambda route: None) -> float:
        """Change the weight; seconds until it is in use."""
        self.put(self.routes(weight, change))
        self.generation += 1
        return until(
            lambda: ask(self.port).headers.get("x-generation") == str(self.generation), "the new routes are in use"
        )

    def weighed(self, weight: int, change: Callable[[dict[str, Any]], None] = lambda route: None) -> int:
        """The port, after a change of the weight."""
        self.weigh(weight, change)
        return self.port

    def stats(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match."""
        lines = ask(self.admin, path=f"/stats?filter={pattern}").body.splitlines()
        return {name: int(value) for name, _, value in (line.partition(": ") for line in lines) if value.isdigit()}


@contextmanager
def envoy(
    name: str, folder: Path, servers: Mapping[str, int], change: Callable[[str], str] = lambda text: text
) -> Iterator[Envoy]:
    """Envoy as a spec has it, in front of two upstreams; `change` plants a fault in the bootstrap."""
    found = outputs(name)
    port, admin = free_ports(2)
    replaced = {
        ports.ENVOY: port,
        ports.ENVOY_ADMIN: admin,
        ports.CHAMPION: servers["champion"],
        ports.CANARY: servers["canary"],
    }
    text = re.sub(r"(?<=port_value: )\d+", lambda match: str(replaced[int(match[0])]), found["local/envoy.yaml"])
    (folder / "local").mkdir(parents=True)
    (folder / "local/envoy.yaml").write_text(change(text), encoding="utf-8")
    (folder / "local/routes.yaml").write_text(found["local/routes.yaml"], encoding="utf-8")
    (folder / ports.ROUTES_FOLDER).mkdir(parents=True)
    (folder / ports.ROUTES).write_text(found["local/routes.yaml"], encoding="utf-8")
    command = [tool("envoy"), "-c", "local/envoy.yaml", "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
    made = Envoy(folder, port, admin)

    def ready() -> bool:
        try:
            return ask(admin, path="/ready").status == 200 and listens(port)
        except OSError:
            return False

    with running(command, folder, ready):
        yield made
