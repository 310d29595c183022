"""Tests of a model: a pytest plugin, and a suite in four levels that every project runs as it is.

In the folder of `params.yaml`, without a file of the project's own:

    pytest -p mlops_runtime.testing --pyargs mlops_runtime.testing.suite

The levels are markers, from many and fast to few and slow: `data`, `unit`, `integration`, and `end_to_end`, which runs
against a deployed endpoint and only with `--endpoint URL`; its bearer token stands in `MLOPS_AUTH_TOKEN`. One level is
`-m unit`. Tests of the project's own are named behind the suite and take the fixtures of this module:

    def test_says_hello(generate):
        assert "hello" in generate("Greet me.").lower()

A `conftest.py` beside `params.yaml` can replace a fixture, such as `generate`, for the suite too.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator as Steps
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlops_runtime.errors import Mistaken

if TYPE_CHECKING:
    from mlops_runtime.models import Loaded
    from mlops_runtime.testing.answers import Classifier, Generator
    from mlops_runtime.testing.endpoint import Endpoint

LEVELS = {
    "data": "the prepared data keeps its contract",
    "unit": "the network and its tokenizer by themselves",
    "integration": "from prompt to answer, through all parts",
    "end_to_end": "a deployed endpoint, named by --endpoint",
}
"""Markers, from the bottom of the pyramid to its top."""

RECORDS = 8
"""Validation records that the fixture `records` holds."""

SUITE = Path(__file__).parent / "suite"

_LEFT_OUT = pytest.StashKey[int]()
_LEVEL = "level"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the tests find what they judge."""
    group = parser.getgroup("model tests")
    group.addoption("--endpoint", metavar="URL", help="deployed endpoint for the end-to-end level")
    group.addoption("--model-version", metavar="NUMBER", help="version in the registry that the endpoint must serve")
    group.addoption(
        "--device", metavar="NAME", default="auto", help="device of torch for the model; auto: a GPU where there is one"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the levels known, and refuse an address that is none.

    Raises:
        pytest.UsageError: `--endpoint` is no HTTP address.
    """
    for name, help in LEVELS.items():
        config.addinivalue_line("markers", f"{name}: {help}")
    address = config.getoption("endpoint")
    if address and not address.startswith(("http://", "https://")):
        raise pytest.UsageError(f"--endpoint {address} is no address: begin it with http:// or https://")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Name the suite's tests alike on every machine, not by the way to where the package is installed."""
    if module_path.parent != SUITE:
        return None
    name = f"mlops_runtime/testing/suite/{module_path.name}"
    module: pytest.Module = pytest.Module.from_parent(parent, path=module_path, nodeid=name)
    return module


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs an endpoint where there is none, and look for what the rest needs before it starts.

    Raises:
        pytest.UsageError: no project here, no prepared data or no model.
    """
    if not config.getoption("endpoint"):
        left_out = [item for item in items if "endpoint" in _wanted(item) or item.get_closest_marker("end_to_end")]
        config.stash[_LEFT_OUT] = len(left_out)
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]
    order = {name: place for place, name in enumerate(LEVELS)}
    for item in items:
        item.user_properties += [(_LEVEL, name) for name in LEVELS if item.get_closest_marker(name)]
    items.sort(key=lambda item: min((order[n] for n in LEVELS if item.get_closest_marker(n)), default=len(order)))
    _demand({name for item in items for name in _wanted(item)})


def _wanted(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


def _demand(fixtures: set[str]) -> None:
    from mlops_runtime.models import INFO
    from mlopsgen.contract import files

    if "spec" in fixtures:
        try:
            _sections()
        except Mistaken as error:
            raise pytest.UsageError(str(error)) from None
    needed = [(path, "prepare") for path in (files.TRAIN, files.VALIDATION) if {"parts", "records"} & fixtures]
    if "loaded" in fixtures:
        needed.append((f"{files.MODEL}/{INFO}", "train"))
    for path, stage in needed:
        if not os.path.exists(path):
            raise pytest.UsageError(f"there is no {path}: run `dvc repro {stage}`, or `dvc pull {stage}`")


def _sections() -> dict[str, Any]:
    from mlops_runtime import parameters

    return parameters.read("data", "model", "train", optional=("benchmark",))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Steps[None, None, None]:
    """Say what the project's mistake is, without a traceback."""
    yield from _plainly()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Steps[None, None, None]:
    """As before the test."""
    yield from _plainly()


def _plainly() -> Steps[None, None, None]:
    try:
        yield
    except Mistaken as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line a level: how many tests passed, failed or were left out, and why."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in LEVELS}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            level = dict(getattr(report, "user_properties", ())).get(_LEVEL)
            if level in counts:
                counts[level][outcome] += 1
    lines = [
        f"{level.replace('_', ' '):<12} {', '.join(f'{count} {outcome}' for outcome, count in found.items())}"
        for level, found in counts.items()
        if found
    ]
    if left_out := config.stash.get(_LEFT_OUT, 0):
        lines.append(f"end to end   {left_out} not run: no endpoint was given, add --endpoint URL")
    if lines:
        terminalreporter.section("model tests")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def spec() -> dict[str, Any]:
    """Sections `data`, `model`, `train`, and `benchmark` where there is one, of `params.yaml`."""
    return _sections()


@pytest.fixture(scope="session")
def parts() -> dict[str, str]:
    """Paths of the prepared parts, `train` and `validation`."""
    from mlopsgen.contract import files

    return {"train": files.TRAIN, "validation": files.VALIDATION}


@pytest.fixture(scope="session")
def records(parts: Mapping[str, str]) -> list[dict[str, Any]]:
    """The first records of the validation part, as they were prepared, with their `id`."""
    from itertools import islice

    from mlops_runtime.training.examples import read

    return list(islice(read(parts["validation"]), RECORDS))


@pytest.fixture(scope="session")
def loaded(pytestconfig: pytest.Config) -> Loaded:
    """The trained model with all that belongs to it: `model`, `tokenizer`, `rendering`, `preprocessing`, `info`."""
    from mlops_runtime import models
    from mlopsgen.contract.files import MODEL

    device = pytestconfig.getoption("device")
    try:
        return models.load(MODEL, device)
    except (AssertionError, RuntimeError) as error:
        raise Mistaken(f"{MODEL} cannot be loaded with --device {device}: {str(error).splitlines()[0]}") from None


@pytest.fixture(scope="session")
def model(loaded: Loaded) -> Any:
    """The network, of transformers, in evaluation mode on its device."""
    return loaded.model


@pytest.fixture(scope="session")
def tokenizer(loaded: Loaded) -> Any:
    """The model's tokenizer."""
    return loaded.tokenizer


@pytest.fixture(scope="session")
def generate(loaded: Loaded) -> Generator:
    """From a prompt to the answer's text: `generate(prompt, max_tokens=32)`; several prompts are one batch."""
    from mlops_runtime.testing.answers import Generator

    if loaded.info["task"] == "text-classification":
        raise Mistaken("the model classifies and generates nothing: take the fixture `classify`")
    return Generator(loaded)


@pytest.fixture(scope="session")
def classify(loaded: Loaded) -> Classifier:
    """From a text to the probability of each class: `classify(text)`; several texts are one batch."""
    from mlops_runtime.testing.answers import Classifier

    if loaded.info["task"] != "text-classification":
        raise Mistaken("the model generates and does not classify: take the fixture `generate`")
    return Classifier(loaded)


@pytest.fixture(scope="session")
def endpoint(pytestconfig: pytest.Config) -> Endpoint:
    """The deployed endpoint: `endpoint.get(path)`, `endpoint.post(path, value)`."""
    from mlops_runtime.testing.endpoint import Endpoint
    from mlopsgen.contract.environment import AUTH_TOKEN

    return Endpoint(pytestconfig.getoption("endpoint"), os.environ.get(AUTH_TOKEN))
