"""Log-likelihood ratios of a zone with more cases than expected, on floats in compiled loops and on whole arrays."""

from __future__ import annotations

import numpy as np

from models.both import Number, formula, upper

TINY = 1e-300  # in the place of 0 where a logarithm or a quotient is taken; its share is 0 then


@formula
def surplus(cases: Number, expected: Number) -> Number:
    """Expectation-based Poisson: c ln(c/b) + b - c where c > b, else 0; both >= 0.

    The ratio of a rate q > 1 times the expected against the expected itself (Neill 2009), q at its best.
    """
    more = upper(upper(cases, expected), TINY)
    return more * np.log(more / upper(expected, TINY)) - (more - expected)


@formula
def contrast(cases: Number, expected: Number, total: Number) -> Number:
    """Poisson given ``total`` cases: c ln(c/e) + (C-c) ln((C-c)/(C-e)) where c > e, else 0 (Kulldorff 1997)."""
    more = upper(upper(cases, expected), TINY)
    rest, left = upper(total - more, 0.0), upper(total - expected, TINY)
    return more * np.log(more / upper(expected, TINY)) + rest * np.log(upper(rest, TINY) / left)


@formula
def ceiling(cases: Number, expected: Number, total: Number) -> Number:
    """At least ``contrast``, or ``surplus`` for an infinite total, and without a logarithm.

    With d = c - e > 0: c ln(c/e) - d <= d²/2e, for x ln x - x + 1 <= (x-1)²/2 from x = 1 on; and the rest adds at most
    d²/(C-e), for ln y <= y - 1. A zone whose ceiling is below the best one found need not be looked at.
    """
    over = upper(cases - expected, 0.0)
    return over * over * (0.5 / upper(expected, TINY) + 1.0 / upper(total - expected, TINY))
