"""The pod that trains, the same for every engine: data first, then the trainer in the same folder."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract.commands import COMMANDS, command, distributed
from mlopsgen.contract.environment import ENVIRONMENT, QUIET, TRACKING_EXPERIMENT, TRACKING_URI, WANDB_API_KEY
from mlopsgen.contract.files import TRACKING_SECRET, TRAIN, VALIDATION
from mlopsgen.contract.ports import TRAINER as TRAINER_PORT
from mlopsgen.contract.release import UNRELEASED
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import named
from mlopsgen.render.files import Commented
from mlopsgen.spec.traced import join
from mlopsgen.targets.kubernetes import pods
from mlopsgen.targets.kubernetes.nodes import GPU, placement
from mlopsgen.targets.kubernetes.serving import half

TRAINER = "trainer"
"""Container that trains."""

WORK, CHECKPOINTS = "/work", "/checkpoints"
"""Where the pod trains, and where the volume of checkpoints is mounted."""

GRACE = 120
"""Seconds between the signal to stop and the end: the step at hand and a checkpoint fit in, and no cloud gives a spot
machine more notice."""

SHUTDOWN = {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(GRACE - 10)}
"""torchrun would kill its processes 30 seconds after the signal; read by torch 2.12 and newer."""

COPY = f"""\
# The image holds the code. Data comes from the DVC remote, by the lock file, without Git.
cp -R /app/. {WORK}
cd {WORK}
"""

LINK = f"""\
mkdir -p "$(dirname "$CHECKPOINT_STORE")"
ln -sfn {CHECKPOINTS} "$CHECKPOINT_STORE"
"""

PULL = f"""\
dvc config --local core.no_scm true
dvc config --local cache.type reflink,hardlink,copy
dvc pull {TRAIN} {VALIDATION}
"""

MEET = """\
# The first pod hosts the rendezvous. The others wait for it: torchrun alone would give up after a minute.
trap 'exit 143' TERM
while [ "$JOB_COMPLETION_INDEX" -gt 0 ] && ! (: < "/dev/tcp/$RENDEZVOUS/29500") 2> /dev/null; do
  [ "$SECONDS" -lt 1800 ] || exit 1
  sleep 5
done
exec torchrun --rdzv-backend c10d --rdzv-endpoint "$RENDEZVOUS:29500" \\
  --rdzv-conf "is_host=$((JOB_COMPLETION_INDEX == 0)),join_timeout=1800" "$@"
"""

KEYS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN")
STORE_KEYS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"),
    "azure": ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY"),
}
"""Entries of the credentials' Secret that a TrainJob, which takes no whole Secret, names one by one."""


def image(environment: Environment) -> Any:
    """Repository of the training image, without tag."""
    return join(environment.serving.image, "-train")


def processes(project: Project) -> int:
    """Processes per node: one per GPU, or one."""
    return max(project.training.resources.gpu, 1)


def several(project: Project) -> bool:
    """Whether there is more than one pod."""
    return project.training.resources.nodes > 1


def scattered(project: Project) -> bool:
    """Whether there is more than one process, so that torchrun starts them."""
    return processes(project) > 1 or several(project)


def keeps(project: Project) -> bool:
    """Whether checkpoints are kept on a volume; otherwise they are in an object store."""
    return "://" not in project.training.checkpoint.store


def schemes(project: Project) -> list[str]:
    """Kinds of the stores of data and checkpoints that are no folders, such as `s3`."""
    stores = (project.data.remote, project.training.checkpoint.store)
    return list(dict.fromkeys(store.partition("://")[0] for store in stores if "://" in store))


def pod(project: Project, environment: Environment, first: Any, restarts: int) -> dict[str, Any]:
    """Specification of the pods of Job and JobSet.

    Args:
        project: the project.
        environment: the environment that it trains in.
        first: host name of the first pod, where pods of several nodes meet.
        restarts: how often torchrun starts all processes of several nodes again before their pods fail.
    """
    env, asked = variables(project, environment), resources(project)
    secret = [{"secretRef": {"name": named(project, "credentials"), "optional": True}}]
    torchrun = {**({"RENDEZVOUS": first} if several(project) else {}), **(SHUTDOWN if scattered(project) else {})}
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        **around(project),
        "initContainers": [
            {
                "name": "data",
                "image": placeholder(environment),
                "command": ["sh", "-euc", fetch(project)],
                "env": env + as_list(fetch_variables(project)),
                "envFrom": secret,
                "resources": {"requests": asked["requests"], "limits": {"memory": asked["limits"]["memory"]}},
                "securityContext": security(),
                "volumeMounts": mounts(project, "work", "tmp"),
            }
        ],
        "containers": [
            {
                "name": TRAINER,
                "image": placeholder(environment),
                "workingDir": WORK,
                **command_line(project, restarts),
                "env": env + as_list(torchrun),
                "envFrom": secret,
                "ports": [{"name": "metrics", "containerPort": TRAINER_PORT}],
                "resources": asked,
                "securityContext": security(),
                "volumeMounts": mounts(project),
            }
        ],
        "volumes": volumes(project),
    }


def around(project: Project) -> dict[str, Any]:
    """Fields of the pod itself: identity, grace, security, nodes."""
    asked = project.training.resources
    return {
        "serviceAccountName": named(project, "training"),
        "terminationGracePeriodSeconds": Commented(GRACE, "the step at hand, and a checkpoint"),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": pods.USER,
            "runAsGroup": pods.USER,
            "fsGroup": pods.USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **placement(asked.gpu, asked.gpu_type, asked.spot),
    }


def security() -> dict[str, Any]:
    """Security of a container, as the Pod Security Standard `restricted` wants it, and with a read-only root."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def placeholder(environment: Environment) -> Any:
    """Image of a pod before Kustomize puts in the one of `release.yaml`."""
    return join(image(environment), ":", UNRELEASED)


def resources(project: Project) -> dict[str, Any]:
    """Requests and limits of the trainer. GPUs stand in the limits, which are their requests as well."""
    asked = project.training.resources
    gpus = {GPU: asked.gpu} if asked.gpu else {}
    return {"requests": {"cpu": asked.cpu, "memory": asked.memory}, "limits": {"memory": asked.memory, **gpus}}


def command_line(project: Project, restarts: int) -> dict[str, Any]:
    """`command` and `args` of the trainer."""
    asked = project.training.resources
    if not several(project):
        return {"command": distributed("train", processes(project)).split()}
    options: dict[str, Any] = {
        "--nnodes": join(asked.nodes),
        "--nproc-per-node": join(processes(project)),
        "--rdzv-id": named(project, "training"),
        "--max-restarts": str(restarts),
    }
    pairs = [word for option in options.items() for word in option]
    return {"command": ["bash", "-euc", MEET, "torchrun"], "args": [*pairs, *module()]}


def module() -> list[str]:
    """What torchrun starts in each process."""
    assert "train" in COMMANDS
    return ["--module", "mlops_runtime", "train"]


def trainjob_command(project: Project) -> dict[str, Any]:
    """`command` and `args` of a TrainJob: its patches add no container, so the trainer fetches the data itself.

    Numbers of nodes and processes, and where they meet, come from Kubeflow's variables `PET_…`.
    """
    run = ["torchrun", *module()] if scattered(project) else command("train").split()
    return {"command": ["sh", "-euc", fetch(project) + 'exec "$@"\n', run[0]], "args": run}


def fetch(project: Project) -> str:
    """Shell script that brings code and data into `WORK`."""
    return COPY + (LINK if keeps(project) else "") + PULL


def fetch_variables(project: Project) -> dict[str, Any]:
    """Variables of `fetch`. DVC's index would otherwise go below /var."""
    store = {"CHECKPOINT_STORE": project.training.checkpoint.store} if keeps(project) else {}
    return {"DVC_SITE_CACHE_DIR": "/tmp/dvc", **store}  # noqa: S108


def variables(project: Project, environment: Environment) -> list[dict[str, Any]]:
    """Environment variables of every container."""
    mlflow = project.tracking.mlflow
    secret, key = TRACKING_SECRET
    where = {"valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
    return [
        *as_list({**QUIET, ENVIRONMENT: environment.name, TRACKING_EXPERIMENT: mlflow.experiment}),
        {"name": TRACKING_URI, **({"value": mlflow.uri} if mlflow.uri is not None else where)},
    ]


def credentials(project: Project) -> list[dict[str, Any]]:
    """Entries of the credentials' Secret as variables, each optional."""
    names = [*KEYS, *([WANDB_API_KEY] if project.tracking.wandb is not None else [])]
    names += [key for scheme in schemes(project) for key in STORE_KEYS.get(scheme, ())]
    names = list(dict.fromkeys((*names, *project.ci.credentials.secrets)))
    secret = named(project, "credentials")
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name, "optional": True}}} for name in names
    ]


def as_list(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Plain variables as Kubernetes lists them."""
    return [{"name": name, "value": value} for name, value in values.items()]


def volumes(project: Project) -> list[dict[str, Any]]:
    """Volumes of the pod: all that it may write to."""
    found: list[dict[str, Any]] = [{"name": "work", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    if shares(project):
        size = Commented(half(project.training.resources.memory), "counts as the trainer's memory")
        found.append({"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": size}})
    if keeps(project):
        claim = {"claimName": named(project, "checkpoints")}
        found.append({"name": "checkpoints", "persistentVolumeClaim": claim})
    return found


def mounts(project: Project, *names: str) -> list[dict[str, Any]]:
    """Where a container sees the volumes; all of them, unless some are named."""
    paths = {"work": WORK, "tmp": "/tmp", "shared-memory": "/dev/shm", "checkpoints": CHECKPOINTS}  # noqa: S108
    wanted = names or [each["name"] for each in volumes(project)]
    return [{"name": name, "mountPath": paths[name]} for name in wanted]


def shares(project: Project) -> bool:
    """Whether processes hand each other data in /dev/shm, of which a pod has 64 MiB otherwise."""
    return project.training.resources.gpu > 0 or scattered(project)
