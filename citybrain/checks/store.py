"""The store: it answers, keeps what it is told, and lets nobody in without a password."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from citybrain.checks import Check, fault, ok, warning

TIMEOUT_S = 3.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
APART_S = 2.0  # a clock so far from the store's is worth a look


def store(url: str | None, tolerance_s: float) -> list[Check]:
    """All checks of the store at ``url``; ``tolerance_s`` is how far in the future a reading may lie."""
    if url is None:
        start = "citybrain demo and citybrain run all start one"
        return [warning("store", "none is configured and none runs here", "CITYBRAIN_REDIS", start)]
    shown = _shown(url)
    try:
        with Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as client:
            client.ping()
            checks = [ok("store", f"{shown} answers"), _clock(client, tolerance_s)]
            checks += [_eviction(client), _door(client, url)]
            return checks
    except (RedisError, OSError, ValueError) as error:
        remedy = "start it, or mend CITYBRAIN_REDIS (redis://:PASSWORD@host:port/0)"
        return [fault("store", f"{shown}: {error}", f"answers within {TIMEOUT_S:g} s", remedy)]


def _shown(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _clock(client: Any, tolerance_s: float) -> Check:
    seconds, micro = client.time()
    apart = abs(time.time() - (seconds + micro / 1e6))
    value, limit, remedy = f"{apart:.1f} s apart", f"at most {APART_S:g} s", "keep both machines' clocks by NTP"
    if apart > tolerance_s:
        return fault("store's clock", value, limit, remedy)
    return warning("store's clock", value, limit, remedy) if apart > APART_S else ok("store's clock", value, limit)


def _setting(client: Any, name: str) -> str | None:
    """One setting of the server; None where it may not be asked, as in hosted services."""
    try:
        found = client.config_get(name)
    except ResponseError:
        return None
    return next((_text(value) for value in found.values()), None)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _eviction(client: Any) -> Check:
    policy = _setting(client, "maxmemory-policy")
    if policy in (None, "noeviction"):
        return ok("store's memory", f"maxmemory-policy {policy or 'not told'}")
    return warning(
        "store's memory",
        f"maxmemory-policy {policy}",
        "noeviction",
        "set it: a store that drops keys shows a picture with holes until the worker writes it again",
    )


def _door(client: Any, url: str) -> Check:
    """Does the store let in who has no password, and can others than this machine reach it?"""
    parts = urlsplit(url)
    limit, remedy = "a password where others can reach it", "set requirepass, or bind 127.0.0.1"
    if parts.scheme == "unix":
        return ok("store's door", "a socket of this user")
    if not _open(parts.hostname or "127.0.0.1", parts.port or 6379, parts.scheme == "rediss"):
        return ok("store's door", "asks for a password")
    bound, protected = _setting(client, "bind"), _setting(client, "protected-mode")
    reachable = parts.hostname not in LOOPBACK or (_public(bound) and protected != "yes")
    if reachable:
        return fault("store's door", f"open without a password, bound to {bound or 'every interface'}", limit, remedy)
    return warning("store's door", "open without a password to this machine", limit, "set requirepass")


def _public(bound: str | None) -> bool:
    """Whether the addresses of the server's setting ``bind`` reach beyond this machine; none given is all of them."""
    addresses = (bound or "*").replace("-::", "::").split()
    return any(address not in LOOPBACK for address in addresses)


def _open(host: str, port: int, tls: bool) -> bool:
    with Redis(host=host, port=port, ssl=tls, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as client:
        try:
            return bool(client.ping())
        except (AuthenticationError, ResponseError):
            return False
