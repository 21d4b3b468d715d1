"""A city's routes, ``notifications.yaml``: the ways out of the room (docs/operations.md).

The file never holds an address or a secret: both come from the environment or from files of the city's secrets folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from config.duty_files import DutyError, minute, once, own_or_common, read
from models.notices import Quiet, Route
from models.values import SEVERITIES, Severity, Text

FILE = "notifications.yaml"


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an address or a secret lies: in a variable of the environment, or in a file of the secrets folder."""

    env: str = ""
    file: str = ""

    def value(self, secrets: Path, environment: Mapping[str, str]) -> str:
        """What lies there, without white space around it; empty when there is nothing."""
        if self.env:
            return environment.get(self.env, "").strip()
        try:
            return (secrets / self.file).read_text("utf-8").strip()
        except FileNotFoundError:
            return ""

    def __str__(self) -> str:
        return self.env or f"secrets/{self.file}"


class _Quiet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    start: str
    end: str


class _Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    route: str
    name: Text
    via: Literal["apprise", "webhook", "journal"]
    address: Kept | str | None = None
    secret: Kept | str | None = None
    severities: tuple[Severity, ...] = SEVERITIES
    incidents: bool = False
    quiet: _Quiet | None = None
    attempts: int = 8


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    routes: list[_Route]


@dataclass(frozen=True, slots=True)
class Way:
    """A route with its name and where its address and secret lie."""

    route: Route
    name: Text
    address: Kept | None
    secret: Kept | None

    def address_now(self, secrets: Path) -> str:
        """Its address as it is set now; empty: the route is not connected."""
        return self.address.value(secrets, os.environ) if self.address else ""

    def secret_now(self, secrets: Path) -> str:
        """The secret it signs with, as it is set now; empty without one."""
        return self.secret.value(secrets, os.environ) if self.secret else ""

    def connected(self, secrets: Path) -> bool:
        """Whether it leads anywhere."""
        return self.route.via == "journal" or bool(self.address_now(secrets))


def load(folder: Path) -> dict[str, Way]:
    """The routes of the city pack in ``folder`` by name, or the common ones where it has none; raises ``DutyError``."""
    path = own_or_common(folder, FILE)
    declared = read(path, _File)
    once([one.route for one in declared.routes], f"{path}: routes: the route")
    return {one.route: _way(one, f"{path}: routes[{number}]") for number, one in enumerate(declared.routes)}


def _way(one: _Route, where: str) -> Way:
    address, secret = _kept(one.address, f"{where}: address"), _kept(one.secret, f"{where}: secret")
    for key, kept in (("address", address), ("secret", secret)):
        if kept is not None and bool(kept.env) == bool(kept.file):
            raise DutyError(f"{where}: {key}: name either env (a variable) or file (in the secrets folder)")
        if kept is not None and (Path(kept.file).is_absolute() or ".." in Path(kept.file).parts):
            raise DutyError(f"{where}: {key}: file {kept.file} leaves the secrets folder; give a name inside it")
    if one.via != "journal" and address is None:
        raise DutyError(f"{where}: address is missing; a route via {one.via} needs {{env: …}} or {{file: …}}")
    if one.via == "webhook" and secret is None:
        raise DutyError(f"{where}: secret is missing; a webhook is signed, so it needs {{env: …}} or {{file: …}}")
    if not 1 <= one.attempts <= 100:
        raise DutyError(f"{where}: attempts: {one.attempts} is outside 1..100")
    if not one.severities:
        raise DutyError(f"{where}: severities: none; leave the key out for all")
    quiet = None
    if one.quiet is not None:
        start, end = minute(one.quiet.start, f"{where}: quiet.from"), minute(one.quiet.end, f"{where}: quiet.to")
        if start == end:
            raise DutyError(f"{where}: quiet: from and to are both {one.quiet.start}; leave the key out for never")
        quiet = Quiet(start=start, end=end)
    route = Route(
        route=one.route,
        via=one.via,
        severities=one.severities,
        incidents=one.incidents,
        quiet=quiet,
        attempts=one.attempts,
    )
    return Way(route, one.name, address, secret)


def _kept(given: Kept | str | None, where: str) -> Kept | None:
    """Where it lies; raises ``DutyError``, without repeating it, where the thing itself stands in the file."""
    if isinstance(given, str):
        raise DutyError(f"{where}: stands in the file itself; put it elsewhere and write {{env: …}} or {{file: …}}")
    return given
