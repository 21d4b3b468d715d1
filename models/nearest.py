"""What was meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz import fuzz, process

LIKE = 70.0  # so alike in per cent that it was probably meant
LISTED = 24  # so many known words are named where none is alike


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like ``word``, whatever its case; empty when none is like it."""
    words = list(known)
    found = process.extractOne(word.casefold(), [one.casefold() for one in words], scorer=fuzz.ratio, score_cutoff=LIKE)
    return words[found[2]] if found else ""


def hint(word: str, known: Iterable[str], otherwise: str = "use one of") -> str:
    """The end of a message about ``word``: ``; did you mean "water_level"?``, or what there is."""
    words = list(known)
    meant = nearest(word, words)
    if meant:
        return f'; did you mean "{meant}"?'
    listed = ", ".join(words[:LISTED]) + (" …" if len(words) > LISTED else "")
    return f"; {otherwise} {listed}" if words else "; there is none"
