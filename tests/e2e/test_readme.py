"""The example of the README that trades at a simulated exchange, typed as it is printed, one shell after the other."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from programs import BIN, CHECKOUT, PATIENCE_S, clean_environment, eventually, free_port

README = CHECKOUT / "README.md"
SECTION = re.compile(r"^## Trade on paper and at a simulated exchange\n(.*?)^## ", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
PRINTED_ADDRESS = "127.0.0.1:8000"  # of the API; this test's own takes its place
PRINTED_ORDER = "ORDER"  # the id that `ms orders list` shows takes its place
MARK = "===="


def blocks() -> tuple[list[str], ...]:
    """The lines of each shell of the example."""
    (section,) = SECTION.findall(README.read_text(encoding="utf-8"))
    return tuple(block.splitlines() for block in BLOCK.findall(section))


@contextmanager
def running(
    lines: list[str], folder: Path, environment: dict[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Type lines of which the last one serves until it is interrupted; it must end in order."""
    script = "set -e\n" + "\n".join([*lines[:-1], f"exec {lines[-1]}"])
    with log.open("w") as out:
        process = subprocess.Popen(
            ["bash", "-c", script], env=environment, cwd=folder, stdout=out, stderr=out
        )
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def type_all(lines: list[str], folder: Path, environment: dict[str, str]) -> list[tuple[int, str, str]]:
    """Type lines in one shell: of each its exit code and what it printed on either stream."""
    script = "\n".join(f'{line}\necho "{MARK}$?"; echo {MARK} >&2' for line in lines)
    done = subprocess.run(
        ["bash", "-c", script],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    printed = re.split(rf"{MARK}(\d+)\n", done.stdout)
    told = done.stderr.split(f"{MARK}\n")
    return [(int(printed[2 * n + 1]), printed[2 * n], told[n]) for n in range(len(lines))]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user's shell, in which the API has an address of its own and `python` is ours."""
    environment = clean_environment(tmp_path / "unused", MS_API_BIND=f"127.0.0.1:{free_port()}")
    del environment["MS_HOME"]
    assert shutil.which("python", path=environment["PATH"]) == str(BIN / "python")
    return environment


def test_an_order_at_the_simulated_exchange_is_seen_stopped_explained_and_closed(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    _, exchange, program, person = blocks()
    folder, address = tmp_path / "a desk", environment["MS_API_BIND"]
    folder.mkdir()
    person = [line.replace(PRINTED_ADDRESS, address) for line in person]
    said = tmp_path / "up.txt"
    with running(exchange, folder, environment, tmp_path / "exchange.txt"):
        assert eventually((folder / "exchange.env").is_file), (tmp_path / "exchange.txt").read_text()
        with running(program, folder, environment, said) as up:
            assert eventually(
                lambda: up.poll() is not None or "is ready" in said.read_text(), 5 * PATIENCE_S
            ), said.read_text()
            assert up.poll() is None, said.read_text()
            seen = _typed(person, folder, environment)
    _check(seen)


def _typed(person: list[str], folder: Path, environment: dict[str, str]) -> dict[str, tuple[int, str, str]]:
    """Type the third shell in two goes: the order's id is known only when it is listed."""
    at = next(n for n, line in enumerate(person) if PRINTED_ORDER in line.split())
    prelude = [line for line in person[:at] if line.startswith((". ", "export ", "API="))]
    first = type_all(person[:at], folder, environment)
    listed = re.search(r"^(\d{6,})", first[-1][1], re.MULTILINE)
    assert listed, first
    rest = [line.replace(PRINTED_ORDER, listed[1]) for line in person[at:]]
    second = type_all([*prelude, *rest], folder, environment)[len(prelude) :]
    return dict(zip(person, [*first, *second], strict=True))


def _check(seen: dict[str, tuple[int, str, str]]) -> None:
    def of(words: str) -> tuple[int, str]:
        (found,) = [(code, out) for line, (code, out, _) in seen.items() if words in line]
        return found

    blocking = {line for line, (code, _, _) in seen.items() if code != 0}
    assert blocking == {"ms risk explain liquid"}, seen
    ran: dict[str, Any] = json.loads(of("$API/run")[1])
    assert (ran["filled"], ran["orders"][0]["filled_qty"]) == (1, 0.05)
    audit = json.loads(of("$API/audit/first")[1])
    assert sum(one["qty"] for one in audit["fills"]) == pytest.approx(0.05)
    assert "filled" in of("ms orders list")[1]
    assert "buy BTC: filled" in of("ms orders why")[1]
    assert "default-liquid-v1" in of("ms account list")[1]
    assert "may not open" in of("ms risk kill")[1]
    assert "kill_switch_triggered:liquid:global" in of("ms risk explain")[1]
    assert "liquid:global is flat, the venues say" in of("ms risk flatten")[1]
    assert of("ms orders reconcile")[1].split() == ["agrees", "coinbase_live", "coinbase"]
    assert "may open" in of("ms risk reset")[1]
