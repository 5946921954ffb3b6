"""What the documentation says must be true: commands exist, links resolve, both READMEs say the same."""

import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import typer.main

from marketsentry.cli.app import VERBS, app
from marketsentry.settings import Settings, load_settings

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
COMMAND_PAGES = [p for p in PAGES if p.name.startswith(("README", "CONTRIBUTING")) or "howto" in p.parts]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def page_id(page):
    return str(page.relative_to(ROOT))


def quoted_commands(text):
    """Command lines of `ms` in shell blocks and in inline code, continuation lines joined."""
    blocks = [
        body for language, body in FENCE.findall(text) if language in ("sh", "bash", "console", "shell")
    ]
    lines = [
        line.strip().removeprefix("$ ") for body in blocks for line in body.replace("\\\n", " ").splitlines()
    ]
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", FENCE.sub("", text))
    return [line for line in (*lines, *inline) if line.startswith(("ms ", "marketsentry "))]


@cache
def verb_command(name):
    return typer.main.get_command(app).get_command(None, name)


def explain_fault(line):
    """Say what is wrong with a command line, None if verb, subcommand and options exist."""
    words = shlex.split(line, comments=True)[1:]
    if words[0].startswith("-"):
        return None if words[0] in ("--help", "--version") else f"unknown option {words[0]}"
    if words[0] not in {verb.name for verb in VERBS}:
        return f"unknown verb {words[0]}"
    command, rest = verb_command(words[0]), words[1:]
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return f"{words[0]} has no {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {"--help"} | {o for param in command.params for o in (*param.opts, *param.secondary_opts)}
    unknown = [w for w in rest if w.startswith("-") and w.split("=")[0] not in known]
    return f"unknown option {unknown[0]}" if unknown else None


@pytest.mark.parametrize("page", COMMAND_PAGES, ids=page_id)
def test_every_quoted_command_exists_with_its_options(page):
    faults = {line: explain_fault(line) for line in quoted_commands(page.read_text(encoding="utf-8"))}
    assert {line: fault for line, fault in faults.items() if fault} == {}


def test_the_pages_quote_commands_at_all():
    lines = [line for page in COMMAND_PAGES for line in quoted_commands(page.read_text(encoding="utf-8"))]
    assert len(lines) > 40


def test_a_wrong_command_is_found():
    assert explain_fault("ms nonsense") == "unknown verb nonsense"
    assert explain_fault("ms doctor --nonsense") == "unknown option --nonsense"
    assert explain_fault("ms doctor --json  # a comment") is None


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {t for p in COMMAND_PAGES for t in re.findall(r"`make (\w+)", p.read_text(encoding="utf-8"))}
    assert named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_internal_links_resolve(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [link for link in links if link and "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_both_readmes_have_the_same_shape_and_commands():
    english, chinese = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")
    )
    levels = [re.findall(r"^(#+) ", FENCE.sub("", text), re.MULTILINE) for text in (english, chinese)]
    bullets = [len(re.findall(r"^- ", text, re.MULTILINE)) for text in (english, chinese)]
    commands = [
        [re.sub(r"--lang \w+", "--lang", c) for c in quoted_commands(text) if "\n" not in c]
        for text in (english, chinese)
    ]
    assert levels[0] == levels[1]
    assert bullets[0] == bullets[1]
    assert sorted(commands[0]) == sorted(commands[1])
    assert english.count("](docs/") == chinese.count("](docs/")


def test_the_index_lists_every_decision():
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in sorted(folder.glob("[0-9]*.md")) if f"({p.name})" not in index] == []


def test_the_configuration_page_lists_every_setting_with_its_default():
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))
    known = set(load_settings({}).summary())
    assert set(rows) == known
    assert len(known) == len(Settings.model_fields)
    assert rows["TRAIN_SEED"] == f"`{load_settings({}).train_seed}`"


def test_pictures_are_small():
    heavy = {p.name: p.stat().st_size for p in (ROOT / "docs" / "images").glob("*.png")}
    assert heavy
    assert all(size < 300_000 for size in heavy.values()), heavy
