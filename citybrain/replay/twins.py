"""A rule and its changed twin in one engine: what a reading scores does not depend on the rules, so it is scored once.

Twins bear the rule's name with ``MARK``. What the engine tells is then sorted into what the rules as they were tell,
and what those as they are to be tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from msgspec.structs import replace as changed

from citybrain.replay.changes import Name
from models.notes import Notes
from models.partials import Partial
from models.rules import Rule
from models.values import Detection, alert_id

MARK = "'"  # no pack can name a rule so


def together(before: Sequence[Rule], after: Sequence[Rule], touched: Collection[Name]) -> tuple[Rule, ...]:
    """The rules as they were, and the twins of those that are to be otherwise."""
    twins = (replace(rule, name=rule.name + MARK) for rule in after if (rule.pack, rule.name) in touched)
    return (*before, *twins)


class Sort:
    """Sorts what an engine of both tells; ``otherwise``: for the rules as they are to be, else as they were."""

    def __init__(self, touched: Collection[Name], otherwise: bool) -> None:
        self._touched, self._otherwise = touched, otherwise

    def detections(self, some: Iterable[Detection]) -> list[Detection]:
        """Those of this side, under the rules' own names."""
        return [own for one in some if (own := self._own(one)) is not None]

    def partial(self, one: Partial) -> Partial:
        """A partial with the notes of this side."""
        return one if one.notes is None else one.noted(self._notes(one.notes))

    def _notes(self, notes: Notes) -> Notes:
        claims = tuple(
            changed(claim, detection=own)
            for claim in notes.claims
            if (own := self._own(claim.detection)) is not None
        )  # fmt: skip
        return changed(notes, claims=claims, events=tuple(self.detections(notes.events)))

    def _own(self, one: Detection) -> Detection | None:
        if one.rule.endswith(MARK):
            name = one.rule.removesuffix(MARK)
            own = changed(one, rule=name, id=alert_id(one.pack, name, one.place, one.onset))
            return own if self._otherwise else None
        return None if self._otherwise and (one.pack, one.rule) in self._touched else one
