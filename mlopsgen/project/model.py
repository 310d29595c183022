"""The resolved project: the only thing that targets see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlopsgen.contract.pins import DEFAULTS, Pin
from mlopsgen.spec.ci import Ci
from mlopsgen.spec.customize import Patch, Targets
from mlopsgen.spec.data import Data
from mlopsgen.spec.environments import SecretStore
from mlopsgen.spec.evaluation import Evaluation
from mlopsgen.spec.experiment import Experiment
from mlopsgen.spec.model import Model
from mlopsgen.spec.monitoring import Monitoring
from mlopsgen.spec.registry import Registry
from mlopsgen.spec.rollout import Rollout
from mlopsgen.spec.serving import SecretRef, Serving
from mlopsgen.spec.tracking import Tracking
from mlopsgen.spec.training import Training


@dataclass(frozen=True, slots=True)
class Environment:
    """One place of deployment, with its overlays applied.

    Attributes:
        canary: whether a new version takes over step by step here.
    """

    name: str
    branch: str | None
    namespace: str
    url: str | None
    approval: bool
    kubeconfig: SecretRef
    secret_store: SecretStore | None
    canary: bool
    serving: Serving
    rollout: Rollout
    experiment: Experiment | None
    monitoring: Monitoring


@dataclass(frozen=True, slots=True)
class Project:
    """A valid spec with every default and derived value filled in.

    Scalars that came from mlops.yaml carry their origin (`mlopsgen.spec.traced`).

    Attributes:
        serving: the document's section, before any environment's overlay; so are the next three.
        folder: folder of mlops.yaml relative to the repository's root, `""` when it is the root.
        spec_file: name of the spec in that folder.
        pins: what actions and base images are pinned to.
        workspace: file of the repository's root with defaults that several projects share, `""` when there is none.
        others: patterns of folders inside of this one that belong to other projects of the workspace.
    """

    name: str
    owner: str | None
    repository: str | None
    description: str | None
    data: Data
    model: Model
    training: Training
    tracking: Tracking
    evaluation: Evaluation
    registry: Registry
    serving: Serving
    rollout: Rollout
    experiment: Experiment | None
    monitoring: Monitoring
    environments: tuple[Environment, ...]
    ci: Ci
    targets: Targets
    patches: tuple[Patch, ...] = ()
    unmanaged: tuple[str, ...] = ()
    folder: str = ""
    spec_file: str = "mlops.yaml"
    pins: Mapping[str, Pin] = field(default_factory=lambda: DEFAULTS)
    workspace: str = ""
    others: tuple[str, ...] = ()

    @property
    def serving_requirements(self) -> str:
        """Requirements file of the serving image."""
        if self.serving.requirements is not None:
            return self.serving.requirements
        return "requirements-serve.txt" if self.serving.engine == "vllm" else self.training.requirements

    @property
    def uses_gpu(self) -> bool:
        """Whether training asks for a GPU."""
        return self.training.resources.gpu > 0
