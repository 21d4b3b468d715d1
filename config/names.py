"""Names as sources write them, matched to names of the register as people would do it.

``exact`` is the same text. ``spelling`` is the same but for case, punctuation and usual abbreviations (St, Street).
``order`` has the same words in another order (a suffix that moved: "Library (North)", "North Library"). These three
count without a person, where no other name of the register fits as well. ``doubtful`` are likely pairs for a person to
decide, the likeliest first; numbers and directions that differ are never taken for the same. ``none`` fits nothing.

Likeness is rapidfuzz's token-set ratio with token-sort ratio, 0..100.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rapidfuzz import fuzz

How = Literal["exact", "spelling", "order", "doubtful", "none"]
CERTAIN: tuple[How, ...] = ("exact", "spelling", "order")
CANDIDATES = 3  # shown for a doubtful name
LIKELY = 68.0  # likeness from which on a pair is worth a look
ABBREVIATED = {
    "st": "street", "str": "street", "rd": "road", "ave": "avenue", "av": "avenue", "la": "lane", "ln": "lane",
    "pde": "parade", "pl": "place", "sq": "square", "bldg": "building", "stn": "station", "cnr": "corner",
    "mt": "mount", "lt": "little", "hwy": "highway", "br": "bridge", "blvd": "boulevard", "ctr": "centre",
    "center": "centre", "n": "north", "s": "south", "e": "east", "w": "west", "no": "number",
}  # fmt: skip
TELLING = frozenset(
    [
        "north",
        "south",
        "east",
        "west",
        "inbound",
        "outbound",
        "in",
        "out",
        "entry",
        "exit",
        "crossing",
        "footpath",
        "new",
        "temporary",
    ]
)
_WORDS = re.compile(r"[0-9]+|[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A name of the register that may be meant; ``row`` is its place there, ``likeness`` 0..100."""

    row: int
    name: str
    likeness: float


@dataclass(frozen=True, slots=True)
class Match:
    """What a source's ``name`` is in the register; the first candidate is meant where ``how`` is certain."""

    name: str
    how: How
    candidates: tuple[Candidate, ...] = ()

    @property
    def row(self) -> int | None:
        """The row of the register that is meant; None where a person must decide or nothing fits."""
        return self.candidates[0].row if self.how in CERTAIN else None


def matched(names: Sequence[str], register: Sequence[str]) -> list[Match]:
    """What each of ``names`` is among the names of the ``register``, in their order.

    A row of the register that two names claim for certain goes to neither: both are doubtful.
    """
    by_text, by_spelling, by_words = (defaultdict[object, list[int]](list) for _ in range(3))
    for row, name in enumerate(register):
        by_text[name].append(row)
        by_spelling[_words(name)].append(row)
        by_words[tuple(sorted(_words(name)))].append(row)
    found = []
    for name in names:
        words = _words(name)
        ways: tuple[tuple[How, list[int]], ...] = (
            ("exact", by_text[name]),
            ("spelling", by_spelling[words] if words else []),
            ("order", by_words[tuple(sorted(words))] if words else []),
        )
        how, rows = next(((how, rows) for how, rows in ways if rows), ("none", []))
        if len(rows) == 1:
            found.append(Match(name, how, (Candidate(rows[0], register[rows[0]], 100.0),)))
        else:
            found.append(_doubtful(name, register, rows or range(len(register))))
    claimed = Counter([at for match in found if (at := match.row) is not None and match.how != "exact"])
    claimed.update({at for match in found if (at := match.row) is not None and match.how == "exact"})
    return [
        _doubtful(match.name, register, range(len(register)))
        if match.row is not None and match.how != "exact" and claimed[match.row] > 1
        else match
        for match in found
    ]


def likeness(one: str, other: str) -> float:
    """How alike two names are, 0..100; 0 where their numbers or directions speak against each other."""
    here, there = _words(one), _words(other)
    if _against(here, there):
        return 0.0
    left, right = " ".join(here), " ".join(there)
    return 0.5 * (fuzz.token_set_ratio(left, right) + fuzz.token_sort_ratio(left, right))


def _doubtful(name: str, register: Sequence[str], rows: Sequence[int]) -> Match:
    scored = [Candidate(row, register[row], round(likeness(name, register[row]), 1)) for row in rows]
    best = sorted((one for one in scored if one.likeness >= LIKELY), key=lambda one: (-one.likeness, one.row))
    return Match(name, "doubtful" if best else "none", tuple(best[:CANDIDATES]))


def _against(here: tuple[str, ...], there: tuple[str, ...]) -> bool:
    """Whether both have numbers and share none, or both have telling words and share none."""
    for told in (_numbers, _telling):
        left, right = told(here), told(there)
        if left and right and not left & right:
            return True
    return False


def _numbers(words: tuple[str, ...]) -> set[str]:
    return {word for word in words if word.isdigit()}


def _telling(words: tuple[str, ...]) -> set[str]:
    return set(words) & TELLING


@lru_cache(maxsize=100_000)
def _words(name: str) -> tuple[str, ...]:
    """The name's words, in lower case, without accents, abbreviations written out."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return tuple(ABBREVIATED.get(word, word) for word in _WORDS.findall(plain))
