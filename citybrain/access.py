"""What a demonstration needs to get in: gateway tokens, a dispatcher, a display; made once, kept for the next run."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from config.settings import Settings
from sensors import tokens
from wall import accounts

DISPATCHER = "dispatcher"


class Access(msgspec.Struct):
    """The secrets of a demonstration, readable by the owner alone: ``<city>/secrets/demo.json``."""

    password: str  # of DISPATCHER
    gateways: dict[str, str]  # gateway → token
    desk: str  # token of a programme that may command alerts over HTTP
    display: str  # token of a wall without login
    radios: str = ""  # token of the simulated units: they tell where they are, and answer calls


def access(settings: Settings, gateways: list[str]) -> Access:
    """The secrets of this city's demonstration, made where missing."""
    path = settings.secrets / "demo.json"
    held = msgspec.json.decode(path.read_bytes(), type=Access) if path.exists() else None
    if held is not None and held.radios and set(gateways) <= set(held.gateways):
        return held
    settings.secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
    book = settings.secrets / "gateways.json"
    made = Access(
        password=held.password if held else secrets.token_urlsafe(9),
        gateways=(held.gateways if held else {})
        | {name: tokens.issue(book, name) for name in gateways if held is None or name not in held.gateways},
        desk=held.desk if held else tokens.issue(book, "desk", ("dispatch",)),
        display=held.display if held else accounts.add_display(settings.secrets / "displays.json", "demo", shared=True),
    )
    made.radios = (held.radios if held else "") or tokens.issue(book, "radios", ("readings", "dispatch"))
    accounts.add_user(settings.secrets / "users.json", DISPATCHER, "dispatcher", made.password)
    _write(path, msgspec.json.encode(made))
    return made


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    part.replace(path)
