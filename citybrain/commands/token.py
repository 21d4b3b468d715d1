"""``citybrain token``: tokens of the gateways, issued, listed, replaced and revoked."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from config.pack import milliseconds
from config.settings import Settings
from sensors import tokens

SCOPES = tokens.SCOPES


class TokenError(ValueError):
    """What was asked of the tokens makes no sense; the message says what does."""


def book(settings: Settings) -> Path:
    """The file of the city's tokens."""
    return settings.secrets / "gateways.json"


def new(
    settings: Settings,
    name: str,
    scopes: list[str],
    valid: str | None,
    assets: list[str],
    kinds: list[str],
    rate: int | None,
    signed: bool,
    certificate: str,
    by_digest: bool,
) -> int:
    """Issue a token and print it, and the key for signing where it signs; raises ``TokenError``."""
    _known_scopes(scopes)
    expires = None if valid is None else dt.datetime.now(dt.UTC).replace(microsecond=0) + _duration(valid)
    token = tokens.issue(
        book(settings), name, tuple(scopes), expires, tuple(assets), tuple(kinds), rate, signed, certificate, by_digest
    )
    _show(token, signed)
    return 0


def rotate(settings: Settings, name: str, overlap: str) -> int:
    """Issue a new token with the rights of the newest; the old ones end after ``overlap``."""
    token = tokens.rotate(book(settings), name, _duration(overlap))
    _show(token, any(entry.sha256 == tokens.digest(token) and entry.signing_key for entry in _entries(settings)))
    return 0


def revoke(settings: Settings, name: str) -> int:
    """Revoke every token of ``name``; 1 when it had none."""
    gone = tokens.revoke(book(settings), name)
    print(f"{gone} tokens of {name} revoked")
    return 0 if gone else 1


def show(settings: Settings, as_json: bool) -> int:
    """The tokens: whose, until when, for what; never the tokens themselves."""
    rows = [
        {
            "name": entry.name,
            "created": entry.created.isoformat(),
            "expires": entry.expires.isoformat() if entry.expires else None,
            "scopes": entry.scopes if entry.scopes is not None else [tokens.READINGS],
            "assets": entry.assets,
            "kinds": entry.kinds,
            "rate": entry.rate,
            "signed": bool(entry.signing_key),
            "certificate": entry.certificate,
        }
        for entry in _entries(settings)
    ]
    if as_json:
        print(json.dumps({"tokens": rows}))
        return 0
    if not rows:
        print(f"no tokens in {book(settings)}; issue one: citybrain token new NAME")
    for row in rows:
        limits = [f"{key}={row[key]}" for key in ("assets", "kinds", "rate", "signed", "certificate") if row[key]]
        print(f"{row['name']}  until {row['expires'] or 'revoked'}  {row['scopes']}", *limits, sep="  ")
    return 0


def _entries(settings: Settings) -> list[tokens.Entry]:
    return tokens.entries(book(settings))


def _show(token: str, signed: bool) -> None:
    print(token)
    if signed:
        print(f"signing key: {tokens.signing_key(token)}")


def _known_scopes(scopes: list[str]) -> None:
    for scope in scopes:
        if scope not in SCOPES:
            raise TokenError(f"scope {scope!r} is not known; use one of {', '.join(SCOPES)}")


def _duration(text: str) -> dt.timedelta:
    try:
        return dt.timedelta(milliseconds=milliseconds(text))
    except ValueError as error:
        raise TokenError(str(error)) from error
