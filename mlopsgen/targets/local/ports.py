"""Ports on one machine beside those of the contract, and where what moves at run time lies."""

from __future__ import annotations

ENVOY = 8080
ENVOY_ADMIN = 9901
CHAMPION = 18000
CANARY = 18001
MLFLOW = 15000
PROMETHEUS = 9090
ALERTMANAGER = 9093
PAGE = 8090
"""Of the status page."""

SERVERS = {"champion": CHAMPION, "canary": CANARY}

STATE = ".mlops"
"""Folder of what a run leaves; never in Git."""

ROUTES_FOLDER = f"{STATE}/envoy"
ROUTES = f"{ROUTES_FOLDER}/routes.yaml"
"""What Envoy watches: a copy of `local/routes.yaml`, in which a rollout changes the weights."""

RUN = f"{STATE}/run"
"""Copies of the generated files for one run, with the ports of that run."""

RELEASES = f"{STATE}/servers.json"
"""Which version of the model each server runs: `{"champion": {"version": "3"}, "canary": null}`."""

ROLLOUT_FOLDER = f"{STATE}/rollout"
"""What the rollout controller remembers."""

ROLLOUT_STATUS = f"{ROLLOUT_FOLDER}/status.json"
"""How the rollout stands, for people; written by the controller."""


def address(port: int) -> str:
    """URL of a part."""
    return f"http://127.0.0.1:{port}"
