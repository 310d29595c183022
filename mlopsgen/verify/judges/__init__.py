"""Every judge that is known, in the order in which they are told of."""

from __future__ import annotations

from mlopsgen.verify.judge import Judge
from mlopsgen.verify.judges import (
    actionlint,
    amtool,
    check_jsonschema,
    dvc,
    envoy,
    hadolint,
    kubernetes,
    kustomize,
    nginx,
    promtool,
    zizmor,
)

JUDGES: tuple[Judge, ...] = tuple(
    module.JUDGE
    for module in (
        promtool,
        amtool,
        actionlint,
        zizmor,
        check_jsonschema,
        kubernetes,
        kustomize,
        hadolint,
        dvc,
        envoy,
        nginx,
    )
)
