"""A torn checkpoint is never loaded, and the one before it always is: faults at every step of writing one."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mlops_runtime.errors import Mistaken
from mlops_runtime.training.checkpoints import Checkpoints
from mlops_runtime.training.ranks import Ranks
from mlops_runtime.training.stores import MANIFEST, MARKER, PROTOCOLS, Bucket, Folder, opened

from tests.runtime.training.conftest import forked, sections, train

ALONE = Ranks(0, 1, 0, torch.device("cpu"), False)
WRITES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}
"""Events of Python's audit that change a file system, or may."""


class Model(torch.nn.Module):
    """Stands for a scorer."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.network = torch.nn.Linear(40, 25)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.fill_(value)


def made(value: float) -> tuple[Model, torch.optim.AdamW]:
    """A model whose weights are `value`, and an optimizer that has stepped."""
    model = Model(value)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, fused=True)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, value)
    optimizer.step()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    return model, optimizer


def save(store: Any, step: int, keep: int = 1, best: dict[str, Any] | None = None) -> str:
    """Save a state whose weights are its step."""
    checkpoints = Checkpoints(store, keep, ALONE)
    name = checkpoints.name(step)
    checkpoints.save(name, *made(float(step)), {"step": step, "best": best or {}})
    return name


def loaded(store: Any) -> int:
    """The step that a run would go on from; what was loaded is whole and all of one state."""
    model, optimizer = made(-1.0)
    facts = Checkpoints(store, 1, ALONE).resume(model, optimizer)
    if facts is None:
        assert all((parameter == -1).all() for parameter in model.parameters()), "nothing was touched"
        return 0
    step: int = facts["step"]
    for parameter in model.parameters():
        assert (parameter == step).all()
        state = optimizer.state[parameter]
        torch.testing.assert_close(state["exp_avg"], torch.full_like(parameter, 0.1 * step))
        assert state["step"] == 1
    return step


def at_event(number: int, fault: Callable[[], None]) -> None:
    """Call `fault` at the `number`-th event of this process that may change files."""
    count = [0]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in WRITES or (event == "open" and not str(arguments[0]).startswith("/")):
            return
        count[0] += 1
        if count[0] == number:
            fault()

    sys.addaudithook(hook)


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def events(folder: Path) -> int:
    """Number of events of one save over another."""
    store = Folder(str(folder / "count"))
    save(store, 1)
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        count += event in WRITES and (event != "open" or str(arguments[0]).startswith("/"))

    def work() -> int:
        sys.addaudithook(hook)
        save(store, 2)
        return min(count, 255)

    return forked(work)


@pytest.mark.parametrize("fault", ["kill", "full disk"])
def test_a_fault_at_every_operation(fault: str, tmp_path: Path) -> None:
    number = events(tmp_path)
    assert number > 15
    outcomes = set()
    for at in range(1, number + 1):
        store = Folder(str(tmp_path / f"store-{at}"))
        save(store, 1)

        def work(at: int = at, store: Folder = store) -> int:
            at_event(at, (lambda: os.kill(os.getpid(), signal.SIGKILL)) if fault == "kill" else full)
            try:
                save(store, 2)
            except OSError:
                return 1
            return 0

        code = forked(work)
        assert code in ({-signal.SIGKILL} if fault == "kill" else {0, 1})
        found = loaded(store)
        assert found in (1, 2), f"event {at}"
        outcomes.add(found)
        save(store, 3)
        assert loaded(store) == 3, "it heals"
        assert [p.name for p in Path(store.path).iterdir()] == ["step-000000003-0"], "nothing is left over"
    assert outcomes == {1, 2}


@pytest.mark.parametrize("fault", ["kill", "full disk"])
def test_a_fault_inside_of_a_write(fault: str, tmp_path: Path) -> None:
    """The kernel refuses bytes beyond a limit, or kills the process for writing them."""
    store = Folder(str(tmp_path / "store"))
    save(store, 1)
    (entry,) = Path(store.path).iterdir()
    sizes = [file.stat().st_size for file in entry.iterdir()]
    limits = sorted({0, *(size - 1 for size in sizes), *(size // 2 for size in sizes), 4096})
    for limit in limits:

        def work(limit: int = limit) -> int:
            if fault == "kill":
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            try:
                save(store, 2)
            except Exception:
                return 1
            return 0

        assert forked(work) == (-signal.SIGXFSZ if fault == "kill" else 1), f"limit {limit}"
        assert loaded(store) == 1
    save(store, 2)
    assert loaded(store) == 2


@pytest.mark.parametrize("damage", ["truncate", "flip", "delete", "empty"])
def test_a_damaged_file_of_the_newest(damage: str, tmp_path: Path) -> None:
    files = ["rank-00000.safetensors", "state.json", MANIFEST, MARKER]
    for file in files:
        store = Folder(str(tmp_path / f"{damage}-{file}"))
        save(store, 1, keep=2)
        name = save(store, 2, keep=2)
        assert sorted(os.listdir(Path(store.path) / name)) == sorted(files)
        path = Path(store.path) / name / file
        content = path.read_bytes()
        if damage == "delete":
            path.unlink()
        else:
            middle = len(content) // 2
            flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            path.write_bytes({"truncate": content[:-1], "flip": flipped, "empty": b""}[damage])
        assert loaded(store) == 1, file
        save(store, 2, keep=2)
        assert loaded(store) == 2, "the same step again"


def test_nothing_intact_starts_anew(tmp_path: Path) -> None:
    store = Folder(str(tmp_path / "store"))
    assert loaded(store) == 0
    name = save(store, 4)
    (tmp_path / "store" / name / "state.json").write_text("{}")
    assert loaded(store) == 0


def test_the_old_ones_go_only_when_the_new_one_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Folder(str(tmp_path))
    save(store, 1)
    commit = Folder.commit

    def bad(self: Folder, folder: str, name: str, manifest: Any) -> None:
        commit(self, folder, name, manifest)
        with open(os.path.join(self.path, name, "rank-00000.safetensors"), "r+b") as stream:
            stream.truncate(100)

    monkeypatch.setattr(Folder, "commit", bad)
    with pytest.raises(OSError, match="does not read back"):
        save(store, 2)
    assert loaded(store) == 1


def test_the_last_ones_and_the_best_are_kept(tmp_path: Path) -> None:
    store = Folder(str(tmp_path))
    best: dict[str, Any] = {}
    for step in range(1, 8):
        if step == 2:
            best = {"entry": f"step-{step:09d}-0", "step": step, "loss": 0.1}
        save(store, step, keep=3, best=best)
    assert store.names() == [f"step-{step:09d}-0" for step in (2, 5, 6, 7)]


@pytest.fixture
def bucket() -> Bucket:
    """An object store in this process's memory: single writes are atomic, and nothing is renamed."""
    store = opened("memory://bucket/run")
    assert isinstance(store, Bucket)
    store.files.store.clear()
    store.files.pseudo_dirs.clear()
    return store


def test_an_object_store(bucket: Bucket) -> None:
    assert loaded(bucket) == 0
    best = {"entry": save(bucket, 1, keep=2)}
    for step in range(2, 6):
        save(bucket, step, keep=2, best=best)
    assert loaded(bucket) == 5
    assert bucket.names() == [f"step-{step:09d}-0" for step in (1, 4, 5)]
    bucket.put("samples-0-4.log", b"0 0 a\n")
    assert bucket.files.cat("bucket/run/samples-0-4.log") == b"0 0 a\n"


def test_an_object_store_that_fails_at_every_write(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(1, 5):
        bucket.files.store.clear()
        save(bucket, 1)
        upload, count = Bucket._upload, [0]

        def failing(self: Bucket, path: str, name: str, at: int = at) -> None:
            count[0] += 1  # noqa: B023
            if count[0] == at:  # noqa: B023
                raise OSError("connection lost")
            upload(self, path, name)  # noqa: B023

        with monkeypatch.context() as patched:
            patched.setattr(Bucket, "_upload", failing)
            with pytest.raises(OSError, match="connection lost"):
                save(bucket, 2)
        assert loaded(bucket) == 1, f"write {at}"
        save(bucket, 2)
        assert loaded(bucket) == 2
        assert bucket.names() == ["step-000000002-0"]


def test_an_object_that_was_damaged(bucket: Bucket) -> None:
    save(bucket, 1, keep=2)
    name = save(bucket, 2, keep=2)
    path = f"bucket/run/{name}/rank-00000.safetensors"
    content = bucket.files.cat(path)
    bucket.files.pipe(path, content[:-9] + b"\0" + content[-8:])
    assert loaded(bucket) == 1
    bucket.files.rm(path)
    assert loaded(bucket) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/x", "s3fs"),
        ("gs://bucket/x", "gcsfs"),
        ("azure://container/x", "adlfs"),
        ("nowhere://x", "nowhere://"),
    ],
)
def test_a_store_without_its_package_names_it(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("s3fs", "gcsfs", "adlfs"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Mistaken, match=said):
        opened(url)


def test_a_run_into_an_object_store(
    project: Path, bucket: Bucket, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROTOCOLS, "s3", "memory")
    given = sections(checkpoint={"store": "s3://bucket/checkpoints/"})
    assert train(given) == 0
    assert not Path("checkpoints").exists()
    shutil.rmtree("models")
    assert train(given) == 0
    assert "finished before" in capfd.readouterr().err
    assert len(bucket.files.glob("bucket/checkpoints/*/samples-*.log")) == 5
