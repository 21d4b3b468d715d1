"""What a re-run says beside its result, in both languages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from citybrain.replay.changes import Otherwise
from models.values import Detection
from wall.replay import notice as archived
from wall.words import LANGUAGES, word

Notice = dict[str, str]  # by language


def said(key: str, **given: str) -> Notice:
    """The words ``rerun.no.<key>`` of the catalogues."""
    return {lang: word(f"rerun.no.{key}", lang).format(**given) for lang in LANGUAGES}


def noted(one: archived.Notice) -> Notice:
    """What is said of the archive's files, and what to do."""
    return {lang: one.words(lang) for lang in LANGUAGES}


def never(other: Otherwise, after: Mapping[str, Detection]) -> Iterator[Notice]:
    """Changed rules that told nothing at all in the span: the line may be one that is never reached."""
    fired: Collection[tuple[str, str]] = {(one.pack, one.rule) for one in after.values()}
    for rule in other.site.layouts.rules:
        if (rule.pack, rule.name) in other.touched and (rule.pack, rule.name) not in fired:
            yield said("never", rule=f"{rule.pack}.{rule.name}", expr=rule.expr)
