"""nginx splits the traffic as it should."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopsgen.contract.split import split
from mlopsgen.targets.nginx.config import exactly
from tests.targets.nginx.serving import Change, accepts, same, serving, write
from tests.targets.nginx.specs import NGINX
from tests.traffic.client import ask, ask_all
from tests.traffic.programs import HOST, PROXIES, free_ports, listens, nginx, running
from tests.traffic.shares import Walk, bounds, users, walk
from tests.traffic.upstreams import named_upstreams

TESTER = {"user-group": 'no "beta" $x ~\\y'}
LOOPBACK = {"champion": 9, "canary": 9}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    with named_upstreams(tmp_path_factory.mktemp("servers"), "champion", "canary") as found:
        yield found


def walked(servers: dict[str, int], folder: Path, number: int, change: Change = same) -> Walk:
    """Where users of a sticky project are, at each weight in an nginx of its own."""
    with ExitStack() as stack:

        def at_weight(weight: int) -> int:
            return stack.enter_context(serving("sticky", folder / str(weight), servers, weight / 100, change)).port

        return walk(at_weight, number=number)


@pytest.fixture(scope="module")
def users_walked(servers: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Walk:
    return walked(servers, tmp_path_factory.mktemp("walk"), 2000)


@pytest.mark.parametrize("name", NGINX)
def test_nginx_accepts_the_configuration(name: str, tmp_path: Path) -> None:
    write(name, tmp_path, LOOPBACK)
    for share in (0, 0.00001, 0.05, 0.29, 0.99999, 1):
        (tmp_path / "split.conf").write_text(split(share), encoding="utf-8")
        result = accepts(tmp_path)
        assert result.returncode == 0, result.stderr
        assert "[warn]" not in result.stderr


@pytest.mark.parametrize(("right", "wrong"), [("real_ip_recursive", "real_ip_recursiv"), ("include split.conf;", "")])
def test_nginx_refuses_a_planted_fault(right: str, wrong: str, tmp_path: Path) -> None:
    write("sticky", tmp_path, LOOPBACK, lambda text: text.replace(right, wrong))
    (tmp_path / "split.conf").write_text(split(0.5), encoding="utf-8")
    assert accepts(tmp_path).returncode == 1


@settings(max_examples=5, deadline=None)
@given(shares=st.lists(st.floats(0, 1), min_size=30, max_size=60))
def test_nginx_accepts_the_split_of_every_share(shares: list[float]) -> None:
    blocks = "".join(
        split(share).replace("$split {", f"$split{n} {{").replace("$testers", f"$testers{n}")
        for n, share in enumerate(shares)
    )
    with TemporaryDirectory() as name:
        text = f"error_log stderr; pid {name}/p; events {{}} http {{ map $host $split_key {{ default x; }} {blocks} }}"
        (Path(name) / "nginx.conf").write_text(text, encoding="utf-8")
        result = accepts(Path(name))
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("share", [-0.01, 1.01, float("nan")])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="no share"):
        split(share)


def test_the_canary_gets_its_share_of_the_users(users_walked: Walk) -> None:
    assert users_walked.wrong_shares() == []


def test_no_user_changes_the_version_at_a_fixed_weight(users_walked: Walk) -> None:
    assert users_walked.moved() == []


def test_no_user_leaves_the_canary_while_it_grows(users_walked: Walk) -> None:
    assert users_walked.left() == []


def test_the_judges_of_the_split_find_planted_faults(servers: dict[str, int], tmp_path: Path) -> None:
    by_chance = walked(
        servers, tmp_path, 300, lambda text: text.replace("default $http_x_user_id;", "default $request_id;")
    )
    assert by_chance.moved()
    assert by_chance.left()
    with serving("sticky", tmp_path / "shares", servers, 0.5) as found:
        half = {user: ask(found.port, {"x-user-id": user}).body for user in users(60)}
    assert Walk({5: half}, {5: half}).wrong_shares()


@pytest.mark.parametrize("weight", [5, 50])
@pytest.mark.parametrize("name", ["sticky", "plain"])
def test_requests_without_the_header_are_spread(
    name: str, weight: int, servers: dict[str, int], tmp_path: Path
) -> None:
    low, high = bounds(2000, weight / 100)
    with serving(name, tmp_path, servers, weight / 100) as found:
        answers = [answer.body for answer in ask_all(found.port, [{}] * 2000)]
    assert low <= answers.count("canary") <= high


def test_without_a_key_of_their_own_they_would_not_be(servers: dict[str, int], tmp_path: Path) -> None:
    change: Change = lambda text: text.replace('"" "$remote_addr $request_id";', "")
    with serving("sticky", tmp_path, servers, 0.05, change) as found:
        assert {answer.body for answer in ask_all(found.port, [{}] * 100)} == {"canary"}


def test_without_a_canary_testers_are_on_the_champion(servers: dict[str, int], tmp_path: Path) -> None:
    with serving("sticky", tmp_path, servers, 0, testers=False) as found:
        assert ask(found.port, TESTER).body == "champion"


def test_testers_are_always_on_the_canary(servers: dict[str, int], tmp_path: Path) -> None:
    named = [{"x-user-id": user} for user in users(100)]
    with serving("sticky", tmp_path, servers, 0) as found:
        assert {answer.body for answer in ask_all(found.port, [{**each, **TESTER} for each in named])} == {"canary"}
        assert {answer.body for answer in ask_all(found.port, named)} == {"champion"}
        others = [{"user-group": value} for value in ('NO "beta" $x ~\\y', 'no "beta" $x ~\\', "", "x")]
        assert {answer.body for answer in ask_all(found.port, others)} == {"champion"}


PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
ODD = st.text(st.sampled_from("\"'\\$~{};#*.^|()[]?+ -ntrQEabAB"), min_size=1, max_size=12)
VALUES = (PRINTABLE | ODD).map(str.strip).filter(bool)


@settings(max_examples=8, deadline=None)
@given(values=st.lists(VALUES, min_size=20, max_size=40, unique=True))
def test_a_value_of_testers_matches_itself_and_nothing_else(values: list[str]) -> None:
    values = list(dict.fromkeys(each for value in values for each in (value, value.swapcase())))
    maps = "".join(
        f"map $http_user_group $m{n} {{ {exactly(value)} 1; default 0; }}\n" for n, value in enumerate(values)
    )
    found = "".join(f"${{m{n}}}" for n in range(len(values)))
    with TemporaryDirectory() as name:
        folder, [port] = Path(name), free_ports(1)
        temporary = "".join(f"{each}_temp_path {name}/{each}; " for each in ("client_body", *PROXIES))
        (folder / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; error_log stderr; pid {name}/p; events {{}}\n"
            f"http {{ access_log off; {temporary}\n{maps} server {{ listen {HOST}:{port}; return 200 {found}; }} }}",
            encoding="utf-8",
        )
        with running(nginx(folder / "nginx.conf"), folder, lambda: listens(port)):
            answers = [answer.body for answer in ask_all(port, [{"user-group": value} for value in values])]
    assert answers == ["".join("1" if other == value else "0" for other in values) for value in values]


@pytest.mark.parametrize(("parts", "bodies"), [("99% canary;", {"champion", "canary"}), ("* nobody;", {"champion"})])
def test_whoever_a_split_forgets_is_on_the_champion(
    parts: str, bodies: set[str], servers: dict[str, int], tmp_path: Path
) -> None:
    text = f"split_clients $split_key $split {{ {parts} }} map $request_id $testers {{ default champion; }}"
    with serving("plain", tmp_path, servers, change=lambda conf: conf.replace("include split.conf;", text)) as found:
        answers = ask_all(found.port, [{}] * 2000)
    assert {answer.status for answer in answers} == {200}
    assert {answer.body for answer in answers} == bodies


def test_an_environment_without_canary_has_one_upstream(servers: dict[str, int], tmp_path: Path) -> None:
    with serving("no-canary", tmp_path, servers, 1) as found:
        assert {answer.body for answer in ask_all(found.port, [{}, TESTER] * 20)} == {"champion"}
