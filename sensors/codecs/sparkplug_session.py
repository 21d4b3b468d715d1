"""What a Sparkplug host remembers of its nodes: who is alive, which message comes next, what an alias stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

SEQUENCE = 256  # message numbers run from 0 to 255 and begin again


class Metric(NamedTuple):
    """What a birth says of a metric: its name and the number of its data type."""

    name: str
    datatype: int


@dataclass(slots=True)
class _Node:
    alive: bool = False
    birth: int | None = None  # bdSeq: which birth this is, told again by the death that belongs to it
    last: int | None = None  # the number of the last message
    asked: bool = False  # a new birth was asked for, and has not come
    metrics: dict[str, dict[int, Metric]] = field(default_factory=dict)  # device ("" the node itself) → alias


class Session:
    """The nodes seen over one broker, at most ``nodes`` of them with ``aliases`` aliases each.

    Messages of a node must come in the order the broker sent them. A node that would be one too many is not
    remembered: its messages are read, but gaps in them are not found and its aliases stay unknown.
    """

    def __init__(self, nodes: int = 10_000, aliases: int = 20_000) -> None:
        self._nodes: dict[str, _Node] = {}
        self._limit = nodes
        self._aliases = aliases

    def __len__(self) -> int:
        return len(self._nodes)

    def born(self, node: str, device: str, aliases: Mapping[int, Metric], birth: int | None = None) -> None:
        """A node ("" for ``device``) or one of its devices has said what it sends."""
        known = self._node(node)
        if known is None:
            return
        if not device:
            known.metrics.clear()
            known.alive, known.birth, known.last, known.asked = True, birth, None, False
        room = self._aliases - sum(len(told) for name, told in known.metrics.items() if name != device)
        known.metrics[device] = dict(list(aliases.items())[: max(room, 0)])

    def died(self, node: str, device: str, birth: int | None = None) -> bool:
        """A node or device is gone; False when this is the late death of an earlier birth and counts no more."""
        known = self._nodes.get(node)
        if known is None:
            return True
        if device:
            known.metrics.pop(device, None)
            return True
        if birth is not None and known.birth is not None and birth != known.birth:
            return False
        known.alive, known.last = False, None
        known.metrics.clear()
        return True

    def knows(self, node: str, device: str) -> bool:
        """Whether the node is alive and, for a device, has said what the device sends."""
        known = self._nodes.get(node)
        return known is not None and known.alive and device in known.metrics

    def ask(self, node: str) -> bool:
        """Note that the node has to tell its metrics again; False where that is known already."""
        known = self._node(node)
        first = known is not None and not known.asked
        if known is not None:
            known.asked = True
        return first

    def gap(self, node: str, number: int) -> int | None:
        """Note that message ``number`` came; the number that should have, when that is another one."""
        known = self._node(node)
        if known is None:
            return None
        expected = None if known.last is None else (known.last + 1) % SEQUENCE
        known.last = number
        return expected if expected is not None and expected != number else None

    def metric(self, node: str, device: str, alias: int) -> Metric | None:
        """What ``alias`` stands for in messages of this node or device."""
        known = self._nodes.get(node)
        return known.metrics.get(device, {}).get(alias) if known else None

    def _node(self, name: str) -> _Node | None:
        if name not in self._nodes and len(self._nodes) < self._limit:
            self._nodes[name] = _Node()
        return self._nodes.get(name)
