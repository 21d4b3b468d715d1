"""What makes a cluster: the words that people use there more than elsewhere, and the alerts inside."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from models.scan.circles import Circles, Float64
from models.scan.clusters import Cluster
from models.scan.likelihood import contrast

LEAST = 2  # requests in which a word must be, to be told
LONGEST = 8  # characters of a piece of Chinese
SURE = 3.0  # the log-likelihood ratio from which on a word is told
WHOLE = 0.7  # a piece is left out when a longer one with it is in so many of its requests
_WORD = re.compile(r"[㐀-鿿]+|[^\W_㐀-鿿]{2,}")


def words(inside: Iterable[str], outside: Iterable[str], most: int = 5) -> list[str]:
    """The words that are in more of the requests ``inside`` than their share elsewhere explains, the surest first.

    Chinese is written without spaces: its words are pieces of 2 to 8 characters, the longest that hold together. A
    word's ratio is that of a zone in the purely spatial scan, with requests as the population.
    """
    here, there = [_pieces(text) for text in inside], [_pieces(text) for text in outside]
    near, far = Counter(word for text in here for word in text), Counter(word for text in there for word in text)
    share = len(here) / max(len(here) + len(there), 1)
    told = []
    for word, count in near.items():
        total = count + far[word]
        ratio = float(contrast(float(count), share * total, float(total)))
        if count >= LEAST and ratio >= SURE:
            told.append((ratio, word, count))
    told.sort(key=lambda one: (-one[0], -len(one[1]), one[1]))
    return _longest(told)[:most]


def _pieces(text: str) -> set[str]:
    """The words of a text, each once."""
    found: set[str] = set()
    for run in _WORD.findall(text.lower()):
        if "㐀" <= run[0] <= "鿿":
            found.update(run[a : a + n] for n in range(2, LONGEST + 1) for a in range(len(run) - n + 1))
        else:
            found.add(run)
    return found


def _longest(told: Sequence[tuple[float, str, int]]) -> list[str]:
    """Without pieces of longer words that are nearly as frequent, and without what overlaps a word told before."""
    counts = {word: count for _, word, count in told}
    chosen: list[str] = []
    for _, word, count in told:
        part = any(word in other and counts[other] >= WHOLE * count for other in counts if other != word)
        if not part and not any(_overlap(word, other) for other in chosen):
            chosen.append(word)
    return chosen


def _overlap(one: str, other: str) -> bool:
    """Whether one is within the other, or, of Chinese, both have two characters in a row in common."""
    if one in other or other in one:
        return True
    return one >= "㐀" and any(one[a : a + 2] in other for a in range(len(one) - 1))


def inside(cluster: Cluster, circles: Circles, points: Float64) -> list[int]:
    """Which of the points (n, 2), such as live alerts, are nearest to a place of the cluster."""
    if not len(points):
        return []
    return np.flatnonzero(np.isin(circles.nearest(points), cluster.places)).tolist()
