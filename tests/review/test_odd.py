"""What patches and targets of others make of files may be odd: still no fault."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import yaml

from mlopsgen.review.blocks import blocks
from mlopsgen.review.differences import as_json, markdown, text
from mlopsgen.review.documents import Files
from mlopsgen.review.effects import effects
from tests.review import corpus

ODD: tuple[Any, ...] = (None, 7, "x", [], {}, True, [None], ["x"], {"x": None}, [[1]], -1.5)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


def odd(document: Any, chance: random.Random) -> Any:
    """A copy in which one value is something else."""
    result = json.loads(json.dumps(document))
    *above, last = chance.choice(places(result))
    here = result
    for part in above:
        here = here[part]
    here[last] = chance.choice(ODD)
    return result


@pytest.mark.parametrize(
    "key",
    [
        "dvc.yaml",
        "params.yaml",
        "monitoring/rules.yaml",
        "monitoring/alertmanager.yaml",
        "//.github/workflows/ml-release.yaml",
        "deploy/production/serving.yaml",
        "deploy/production/kustomization.yaml",
        "deploy/production/scaling.yaml",
        "deploy/production/controller.yaml",
        "deploy/production/training/training.yaml",
    ],
)
def test_no_odd_value_is_a_fault(key: str) -> None:
    base = corpus.example().files
    environment = {path: text for path, text in base.content.items() if path.startswith("deploy/production/")}
    around = environment if key.startswith("deploy/") else {key: base.content[key]}
    around |= {path: base.content[path] for path in ("dvc.yaml", "params.yaml")}
    chance = random.Random(key)
    documents = list(base.objects(key).values())
    for _ in range(5):
        number = chance.randrange(len(documents))
        changed = [odd(each, chance) if index == number else each for index, each in enumerate(documents)]
        other = Files({**around, key: yaml.safe_dump_all(changed).encode()})
        for sides in ((Files(around), other), (other, Files(around))):
            effects(*sides)
            found = blocks(*sides)
            json.dumps(as_json(found))
            assert isinstance(text(found, lambda line, look: line) + markdown(found), str)
