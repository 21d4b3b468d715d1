"""HTTP digest access (RFC 7616, MD5 as GA/T 1400 has it): the server's side, without a state of its own.

A challenge carries its time and a proof that it is ours; it counts for ``NONCE_S``. MD5 protects a password badly and
the body not at all, so a token is open to digest only where its entry says so, and TLS belongs around it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

REALM = "citybrain"
NONCE_S = 300
_PAIR = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')


@dataclass(frozen=True, slots=True)
class Digest:
    """What a sender answered to a challenge: the members of its ``Authorization`` header."""

    username: str
    nonce: str
    uri: str
    response: str
    qop: str = ""
    nc: str = ""
    cnonce: str = ""


class Digests:
    """Challenges and their answers; ``key`` proves that a challenge is ours."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def challenge(self, now: float, stale: bool = False) -> str:
        """The value of ``WWW-Authenticate``; ``stale`` when the answer was good and only its challenge too old."""
        nonce = self._nonce(int(now))
        return f'Digest realm="{REALM}", qop="auth", algorithm=MD5, nonce="{nonce}"' + (", stale=true" if stale else "")

    def fresh(self, nonce: str, now: float) -> bool:
        """Whether a challenge is ours and not too old."""
        told, _, _ = nonce.partition("-")
        if not re.fullmatch(r"[0-9a-f]{1,12}", told):
            return False
        return hmac.compare_digest(self._nonce(int(told, 16)).encode(), nonce.encode()) and (
            0 <= now - int(told, 16) <= NONCE_S
        )

    def _nonce(self, at: int) -> str:
        return f"{at:x}-{hmac.new(self._key, b'%d' % at, hashlib.sha256).hexdigest()[:32]}"


def parsed(header: str) -> Digest | None:
    """The members of a digest header; None for another or an incomplete one."""
    kind, _, rest = header.partition(" ")
    if kind.lower() != "digest" or len(rest) > 4_000:
        return None
    told = {name: quoted or bare for name, quoted, bare in _PAIR.findall(rest)}
    names = ("username", "nonce", "uri", "response")
    if any(name not in told for name in names) or told.get("algorithm", "MD5").upper() != "MD5":
        return None
    return Digest(
        told["username"],
        told["nonce"],
        told["uri"],
        told["response"],
        told.get("qop", ""),
        told.get("nc", ""),
        told.get("cnonce", ""),
    )


def secret(name: str, token: str) -> str:
    """What the file of tokens keeps for digest: HA1, the MD5 of name, realm and token."""
    return _md5(f"{name}:{REALM}:{token}")


def answered(digest: Digest, method: str, ha1: str) -> bool:
    """Whether the answer is that of one who knows the token."""
    ha2 = _md5(f"{method}:{digest.uri}")
    middle = f"{digest.nc}:{digest.cnonce}:{digest.qop}:" if digest.qop else ""
    wanted = _md5(f"{ha1}:{digest.nonce}:{middle}{ha2}")
    return hmac.compare_digest(wanted.encode(), digest.response.lower().encode())


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
