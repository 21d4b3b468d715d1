"""``citybrain user``: people who may log in at the wall, and their second factor."""

from __future__ import annotations

import json
from pathlib import Path

from config.settings import Settings
from wall import accounts, totp


def book(settings: Settings) -> Path:
    """The file of the city's accounts."""
    return settings.secrets / "users.json"


def add(settings: Settings, name: str, role: str, password: str, unit: str) -> int:
    """Add a person or change them; one who must have a second factor is given it; raises ``AccountError``."""
    accounts.add_user(book(settings), name, role, password, unit)
    if accounts.read_users(book(settings))[name].must_enrol:
        return second_factor(settings, name, off=False)
    return 0


def remove(settings: Settings, name: str) -> int:
    """Take an account away; raises ``AccountError``."""
    accounts.remove_user(book(settings), name)
    print(f"{name} has no account any more; what they have open ends within seconds")
    return 0


def second_factor(settings: Settings, name: str, *, off: bool) -> int:
    """Give a person a second factor in place of any before, or take it away; raises ``AccountError``."""
    if off:
        accounts.unenrol(book(settings), name)
        print(f"{name} logs in by password alone; an admin cannot log in until they are enrolled again")
        return 0
    made = accounts.enrol(book(settings), name)
    print(f"for the authenticator of {name}, shown only now:\n  {made.uri}\n  secret {made.secret}")
    print("recovery codes, each counts once, for a lost phone:")
    print("\n".join(f"  {totp.shown(code)}" for code in made.codes))
    return 0


def show(settings: Settings, as_json: bool) -> int:
    """Who has an account: role, unit, second factor; no secret."""
    rows = [
        {
            "name": one.name,
            "role": one.role,
            "unit": one.unit,
            "second_factor": bool(one.totp),
            "recovery_codes": len(one.recovery),
        }
        for one in accounts.read_users(book(settings)).values()
    ]
    if as_json:
        print(json.dumps({"users": rows}, ensure_ascii=False))
        return 0
    if not rows:
        print(f"no accounts in {book(settings)}; add one: citybrain user add NAME --role dispatcher")
    for row in rows:
        factor = f"second factor, {row['recovery_codes']} recovery codes left" if row["second_factor"] else "password"
        print(f"{row['name']}  {row['role']}{' of ' + str(row['unit']) if row['unit'] else ''}  {factor}")
    return 0
