"""Problems as the gateway answers them: RFC 9457, naming the field, the value, the limit and the remedy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as default
from http import HTTPStatus

import msgspec

TYPE = "application/problem+json"
LARGE_BITS = 1_000  # of an integer that is still written as a number
SHOWN = 100  # characters of a value that are repeated in an answer
Scalar = str | int | float | bool | None
Members = dict[str, object]


@dataclass(kw_only=True, eq=False)
class Problem(Exception):
    """Why a request was refused. ``extra`` are further members of the body, ``headers`` go with the answer."""

    status: int
    kind: str  # the last part of the problem's type: "unknown-token", "too-large" …
    detail: str
    field: str = ""
    value: Scalar = None
    limit: Scalar = None
    remedy: str = ""
    headers: Mapping[str, str] = default(default_factory=dict)
    extra: Mapping[str, object] = default(default_factory=dict)

    def members(self) -> Members:
        """The body as a mapping; members that say nothing are left out."""
        title = HTTPStatus(self.status).phrase
        body: Members = {"type": f"urn:citybrain:problem:{self.kind}", "title": title, "status": self.status}
        body["detail"] = self.detail
        named = {"field": self.field or None, "value": self.value, "limit": self.limit, "remedy": self.remedy or None}
        body.update({name: member for name, member in named.items() if member is not None})
        return body | dict(self.extra)

    def body(self) -> bytes:
        """The body as JSON bytes."""
        return msgspec.json.encode(self.members())


def shown(value: object) -> Scalar:
    """The value as it may stand in an answer: JSON's scalars as they are, the rest as text, cut short."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > LARGE_BITS:
        return f"a number of {value.bit_length()} bits"
    if value is None or isinstance(value, bool | int | float):
        return value if value is None or abs(value) < 2**63 else f"{value:.6g}"
    if isinstance(value, str):
        text = value.encode(errors="replace").decode()  # half a surrogate pair cannot be sent
        return text if len(text) <= SHOWN else text[:SHOWN] + "…"
    return "an array" if isinstance(value, list) else "an object"
