"""The second factor: one-time passwords by time (RFC 6238: SHA-1, six digits, 30 s), and codes for a lost phone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import pyotp

ISSUER = "citybrain"
STEP_S = 30
AROUND = 1  # steps before and after the present one that are taken: phones' clocks are off by a little
CODES = 10
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what is read wrong: i l o 0 1
CODE_LETTERS = 16  # of 31: 79 bits


@dataclass(frozen=True)
class Enrolment:
    """What a person is shown once: ``uri`` for the authenticator (otpauth://…), its ``secret``, recovery ``codes``."""

    secret: str
    uri: str
    codes: tuple[str, ...]


def enrolment(name: str) -> Enrolment:
    """A fresh secret (160 bits) for ``name`` with its codes."""
    secret = pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)
    return Enrolment(secret, uri, tuple(_code() for _ in range(CODES)))


def step(secret: str, code: str, now: float) -> int | None:
    """The step (of 30 s since 1970) near ``now`` (s) whose one-time password is ``code``; None when there is none."""
    one_time = pyotp.TOTP(secret)
    present = int(now) // STEP_S
    for candidate in range(present - AROUND, present + AROUND + 1):
        if secrets.compare_digest(one_time.generate_otp(candidate).encode(), code.encode()):
            return candidate
    return None


def cleaned(code: str) -> str:
    """The code as it was shown, whatever a person typed between its letters."""
    return "".join(it for it in code.lower() if it.isalnum())


def shown(code: str) -> str:
    """The code in groups of four, to be written down."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def _code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LETTERS))
