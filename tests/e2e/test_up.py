"""`ms up` and `ms run`: they come up, stay up through kills, refuse what cannot work, and leave nothing behind."""

import asyncio
import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketsentry.adapters.embedded import read_owner
from marketsentry.exceptions import ConflictError
from marketsentry.roles.supervisor import RoleProcess, supervise
from programs import Served, clean_environment, eventually, free_port, is_gone, ms, ms_json, serving


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory for all that starts anew: every start is also a second start on what the one before left."""
    return tmp_path_factory.mktemp("up") / "a home"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One program that runs all along, for the tests that leave it running."""
    with serving(tmp_path_factory.mktemp("up all along") / "a home", "up", "--json") as running:
        assert eventually(running.is_ready), running.stderr
        yield running


def test_it_is_ready_says_where_logs_its_settings_once_and_leaves_nothing(home: Path) -> None:
    with serving(home, "up", "--json") as running:
        assert eventually(running.is_ready), running.stderr
        out = home.with_name(f"{home.name}.{running.port}.stdout")
        assert eventually(lambda: out.read_text() != "")
        document = json.loads(out.read_text())
        assert document["addresses"]["api"] == f"http://127.0.0.1:{running.port}/api/v2"
        for path in ("/health", "/metrics", "/api/v2/docs"):
            assert running.status_of(path) == 200, path
        (settings,) = [one for one in running.events if one["event"] == "settings"]
        assert settings["MS_HOME"] == str(home)
        family = [process.pid for process in running.family()]
        assert len(family) >= 3
        assert running.stop() == 0
        assert all(eventually(lambda pid=pid: is_gone(pid), 5) for pid in family)
    assert read_owner(home) is None


def test_a_second_program_is_told_who_the_first_is(up: Served) -> None:
    refused = ms(up.home, "up", MS_API_BIND=f"127.0.0.1:{free_port()}")
    assert refused.returncode == 3
    (error,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert f"belong to process {up.process.pid} since" in error
    assert "marketsentry up" in error
    assert "DATABASE_URL=" in error
    assert up.is_ready()


def test_status_answers_while_it_runs(up: Served) -> None:
    status = ms_json(up.home, "status", MS_API_BIND=f"127.0.0.1:{up.port}")
    engines = status["engines"]
    assert engines["owner"]["pid"] == up.process.pid
    assert (engines["postgres"], engines["redis"]) == ("connected", "connected")
    assert engines["started_for_this_answer"] == []
    assert status["api"] == {"address": f"http://127.0.0.1:{up.port}", "state": "ready"}
    assert status["schema"]["revision"] == status["schema"]["head"]


def test_openings_are_stopped_and_orders_listed_while_it_runs(up: Served) -> None:
    """What a person needs at once works beside the running program, without its addresses."""
    pulled = ms_json(up.home, "risk", "kill", "liquid", "--reason", "look first")
    assert pulled["state"] == "triggered"
    told = ms_json(up.home, "risk", "explain", "liquid", code=3)
    assert [one["code"] for one in told["facts"]] == ["kill_switch_triggered:liquid:global"]
    flat = ms_json(up.home, "risk", "flatten", "liquid", "--yes")
    assert (flat["flat"], flat["orders"]) == (True, [])
    assert ms_json(up.home, "risk", "reset", "liquid")["state"] == "armed"
    assert ms_json(up.home, "orders", "reconcile")["agrees"] is True
    assert ms(up.home, "orders", "list").returncode == ms(up.home, "account", "list").returncode == 0
    assert up.is_ready()


def test_a_killed_role_is_started_again(up: Served) -> None:
    first = up.role_pid()
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: up.role_pid() != first)
    assert eventually(up.is_ready)
    assert [one["exit_code"] for one in up.events if one["event"] == "role_ended"][-1] == -signal.SIGKILL


def test_everything_ends_when_it_is_killed_and_the_next_start_recovers(home: Path) -> None:
    with serving(home, "up") as running:
        assert eventually(running.is_ready)
        family = [process.pid for process in running.family()]
        running.process.kill()
        running.process.wait()
        assert all(eventually(lambda pid=pid: is_gone(pid)) for pid in family)
    assert read_owner(home) is None
    with serving(home, "up") as again:
        assert eventually(again.is_ready), again.stderr
        assert again.stop(signal.SIGINT) == 0


def test_a_taken_address_is_an_error_and_nothing_stays(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for words in (("up",), ("run", "api")):
            refused = ms(home, *words, MS_API_BIND=f"127.0.0.1:{port}")
            assert refused.returncode == 3
            assert f"error: cannot listen on 127.0.0.1:{port}" in refused.stderr
            assert "MS_API_BIND" in refused.stderr
            assert "role_started" not in refused.stderr
    assert read_owner(home) is None


def test_a_role_that_refuses_to_run_is_not_tried_forever(home: Path) -> None:
    """The supervisor's own settings are good, the role's are not: as after an edit of the environment."""

    async def run() -> None:
        environment = clean_environment(home, RISK_MAX_DRAWDOWN="abc")
        await supervise((RoleProcess("api"),), env=environment, stop=asyncio.Event())

    with pytest.raises(ConflictError, match="role api refuses to run"):
        asyncio.run(run())


def test_readiness_follows_the_database(up: Served) -> None:
    """503 while PostgreSQL is away, 200 again when it was revived, and the process stays alive throughout.

    The supervisor is held meanwhile: it can revive the engine faster than a probe gives up.
    """
    seen: list[int] = []
    enough = threading.Event()

    def watch() -> None:
        while not enough.is_set():
            seen.append(up.status_of("/health/ready"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert eventually(lambda: 200 in seen)
        role, engine = up.role_pid(), up.engine_pid()
        up.process.send_signal(signal.SIGSTOP)
        os.kill(engine, signal.SIGKILL)
        assert eventually(lambda: 503 in seen), seen
        after = len(seen)
        up.process.send_signal(signal.SIGCONT)
        assert eventually(lambda: 200 in seen[after:]), up.stderr
    finally:
        up.process.send_signal(signal.SIGCONT)
        enough.set()
        watcher.join()
    assert set(seen) <= {200, 503, 0}  # 0: no answer in time, on a busy machine
    assert up.role_pid() == role
    assert up.engine_pid() != engine
    assert [one["engines"] for one in up.events if one["event"] == "engine_revived"] == [["postgres"]]


def test_requests_wait_while_the_role_restarts(up: Served) -> None:
    """The supervisor holds the socket, so a client that comes in between is answered by the next process."""
    first = up.role_pid()
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: is_gone(first))
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=60)
    connection.request("GET", "/health/live")
    assert connection.getresponse().status == 200
    connection.close()


def test_one_role_alone_starts_its_engines_and_stops_in_order(home: Path) -> None:
    with serving(home, "run", "api") as running:
        assert eventually(running.is_ready), running.stderr
        assert [one["event"] for one in running.events].count("settings") == 1
        assert running.stop() == 0
    assert read_owner(home) is None


def test_status_starts_the_engines_when_nobody_runs_them(home: Path) -> None:
    status = ms_json(home, "status", MS_API_BIND=f"127.0.0.1:{free_port()}")
    assert status["engines"]["owner"] is None
    assert status["engines"]["started_for_this_answer"] == ["postgres", "redis"]
    assert status["api"]["state"] == "not_running"
    assert (status["series"], status["models"], status["runs"]) == ([], [], [])
    assert status["disk"]["bytes"] == sum(status["disk"]["parts"].values()) > 10_000_000
    assert read_owner(home) is None
    shown = ms(home, "status").stdout
    assert max(map(len, shown.splitlines())) <= 200
    assert "none yet" in shown
