"""The settings of a topic, as Kafka names them."""

from __future__ import annotations

from collections.abc import Mapping

from citybrain.local.broker.errors import Code, Refused

_MB = 1024 * 1024
_DEFAULTS = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "delete.retention.ms": str(24 * 3600 * 1000),
    "max.message.bytes": str(8 * _MB),
    "message.timestamp.type": "CreateTime",
    "min.cleanable.dirty.ratio": "0.5",
    "min.insync.replicas": "1",
    "retention.bytes": "-1",
    "retention.ms": str(7 * 24 * 3600 * 1000),
    "segment.bytes": str(64 * _MB),
    "segment.ms": str(7 * 24 * 3600 * 1000),
}
_FIXED = ("compression.type", "message.timestamp.type", "min.insync.replicas")
_SHARES = ("min.cleanable.dirty.ratio",)
_LOWEST = {
    "min.cleanable.dirty.ratio": 0,
    "segment.bytes": 1024,
    "max.message.bytes": 1,
    "segment.ms": 1,
    "delete.retention.ms": 0,
}
_POLICIES = ({"delete"}, {"compact"}, {"compact", "delete"})


class TopicConfig:
    """A topic's settings: what was asked for (``given``) over the defaults. Times in ms, sizes in bytes, -1 none."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.given = dict(given or {})
        for name, value in self.given.items():
            _check(name, value)
        self.policies = {policy.strip() for policy in self["cleanup.policy"].split(",")}
        self.compact = "compact" in self.policies
        self.delete = "delete" in self.policies
        self.retention_ms = int(self["retention.ms"])
        self.retention_bytes = int(self["retention.bytes"])
        self.segment_bytes = int(self["segment.bytes"])
        self.segment_ms = int(self["segment.ms"])
        self.delete_retention_ms = int(self["delete.retention.ms"])
        self.dirty_share = float(self["min.cleanable.dirty.ratio"])  # of the finished segments, before compaction
        self.max_message_bytes = int(self["max.message.bytes"])

    def __getitem__(self, name: str) -> str:
        return self.given.get(name, _DEFAULTS[name])

    def items(self) -> list[tuple[str, str, bool]]:
        """Every setting: name, value, and whether it is the default."""
        return [(name, self[name], name not in self.given) for name in _DEFAULTS]


def _check(name: str, value: str | None) -> None:
    """Raise ``Refused`` when this broker cannot keep the setting."""
    if name not in _DEFAULTS:
        raise Refused(Code.INVALID_CONFIG, f"unknown setting {name}; known are {', '.join(_DEFAULTS)}")
    if value is None:
        raise Refused(Code.INVALID_CONFIG, f"{name} has no value")
    if name in _FIXED:
        if value != _DEFAULTS[name]:
            raise Refused(Code.INVALID_CONFIG, f"{name} is {value}; the embedded broker knows {_DEFAULTS[name]} only")
    elif name == "cleanup.policy":
        if {policy.strip() for policy in value.split(",")} not in _POLICIES:
            raise Refused(Code.INVALID_CONFIG, f"cleanup.policy is {value!r}; use delete, compact or compact,delete")
    else:
        _check_number(name, value)


def _check_number(name: str, value: str) -> None:
    lowest = _LOWEST.get(name, -1)
    try:
        number = float(value) if name in _SHARES else int(value)
    except ValueError:
        raise Refused(Code.INVALID_CONFIG, f"{name} is {value!r}; use a number") from None
    if not number >= lowest:
        raise Refused(Code.INVALID_CONFIG, f"{name} is {number}; use at least {lowest}")
