"""Columns, their roles, and who names them."""

from __future__ import annotations

from collections.abc import Iterator

from mlopsgen.diagnostics import Diagnostic
from mlopsgen.diagnostics.hints import closest
from mlopsgen.project import derive
from mlopsgen.project.checks.view import Also, View


def check(view: View) -> Iterator[Diagnostic]:
    """Roles fit the task, and every column that is named exists."""
    yield from _roles(view)
    yield from _named(view)


def _roles(view: View) -> Iterator[Diagnostic]:
    task = derive.task(view.spec)
    by_role: dict[str, list[str]] = {}
    for name, column in derive.columns(view.spec.data.columns).items():
        by_role.setdefault(str(column.role), []).append(name)
    wanted = next((need for need in derive.NEEDED[task] if set(need) <= set(by_role)), None)
    if wanted is None:
        needs = " or ".join(" and ".join(f"`{role}`" for role in need) for need in derive.NEEDED[task])
        names = {role: ", ".join(derive.ROLES[role]) for need in derive.NEEDED[task] for role in need}
        help = "; ".join(f"{role}: a column named {known}, or any with `role: {role}`" for role, known in names.items())
        also: Also = (("the task", ("model", "task")),)
        message = f"{task} needs columns in the roles {needs}"
        yield view.finding("E202", message, "data", "columns", help=help, also=also, on_key=True)
        return
    for role in wanted:
        if len(by_role[role]) > 1:
            first, second = by_role[role][:2]
            message = f"two columns have the role `{role}`: `{first}` and `{second}`"
            help = f"give one of them another role, such as `role: other`, or name it with `role: {role}`"
            also = (("the other", ("data", "columns", first)),)
            yield view.finding("E203", message, "data", "columns", second, help=help, also=also, on_key=True)


def _named(view: View) -> Iterator[Diagnostic]:
    data = view.spec.data
    known = list(data.columns)
    named: list[tuple[str, tuple[str | int, ...], bool]] = []
    if data.duplicates is not None:
        named += [(c, ("data", "duplicates", "columns", i), False) for i, c in enumerate(data.duplicates.columns)]
    if data.split.group_by is not None:
        named.append((data.split.group_by, ("data", "split", "group_by"), False))
    named += [(c, ("data", "drift", "features", c), True) for c in data.drift.features]
    for column, path, on_key in named:
        if column not in known:
            hint = closest(column, known)
            help = f"did you mean `{hint}`?" if hint else "columns: " + ", ".join(known)
            also: Also = (("the columns", ("data", "columns")),)
            yield view.finding("E204", f"there is no column `{column}`", *path, help=help, also=also, on_key=on_key)
