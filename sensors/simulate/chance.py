"""Chance that can be asked again: random numbers as a pure function of (seed, stream, datastream, moment).

Counter-based (splitmix64): no state, so any number can be drawn in any order, in any batch and on any machine,
and is always the same.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint64]
Floats = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LOW_32 = np.uint64(0xFFFFFFFF)
_LOW_16 = np.uint64(0xFFFF)
_BELL = 3.0**0.5  # four uniform parts have a variance of 4/12
_SMALL_RATE = 10.0  # below: exact inversion; above: the expansion is right to less than one count


def mixed(bits: Bits) -> Bits:
    """splitmix64's finalizer: every input bit moves every output bit; shape as given."""
    bits = bits ^ (bits >> np.uint64(30))
    bits *= _MIX_1
    bits ^= bits >> np.uint64(27)
    bits *= _MIX_2
    bits ^= bits >> np.uint64(31)
    return bits


def keys(seed: int, stream: str, numbers: NDArray[np.integer[Any]]) -> Bits:
    """One key for each of ``numbers`` (datastreams, districts, days), unlike that of any other stream or seed."""
    name = hashlib.blake2b(f"{seed}|{stream}".encode(), digest_size=8).digest()
    start = np.uint64(int.from_bytes(name, "little"))
    return mixed(mixed(numbers.astype(np.uint64) * _GOLDEN + start) + _GOLDEN)


def drawn(key: Bits, moment: NDArray[np.integer[Any]]) -> Bits:
    """64 random bits for each key at each moment; shapes broadcast."""
    return mixed(key + moment.astype(np.uint64) * _GOLDEN)


def uniform(bits: Bits) -> Floats:
    """Numbers in (0, 1), never 0 or 1."""
    return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def normal_pair(bits: Bits) -> tuple[Floats, Floats]:
    """Two independent standard normal numbers from each 64 bits (Box and Muller, 32 bits each)."""
    radius = np.sqrt(-2.0 * np.log(((bits >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32))
    angle = (bits & _LOW_32).astype(np.float64) * (2.0 * np.pi * 2.0**-32)
    return radius * np.cos(angle), radius * np.sin(angle)


def bell(bits: Bits) -> Floats:
    """Nearly normal numbers within ±3.46, cheap: the scaled sum of the four 16-bit parts (Irwin and Hall)."""
    parts = (bits & _LOW_16) + ((bits >> np.uint64(16)) & _LOW_16) + ((bits >> np.uint64(32)) & _LOW_16)
    parts += bits >> np.uint64(48)
    return np.asarray((parts.astype(np.float64) * 2.0**-16 - 2.0) * _BELL)


def wander(key: Bits, time_ms: NDArray[np.int64], knot_ms: int) -> Floats:
    """Slow noise of unit variance: a ``bell`` number a knot, straight between knots, stretched to keep it."""
    knot = time_ms // knot_ms
    after = (time_ms - knot * knot_ms) / knot_ms
    before = 1.0 - after
    mixture = before * bell(drawn(key, knot)) + after * bell(drawn(key, knot + 1))
    return np.asarray(mixture / np.sqrt(before * before + after * after))


def poisson(rate: Floats, z: Floats, bits: Bits) -> Floats:
    """Poisson counts of the given rates, as whole floats.

    Rates of 10 and more use ``z`` (standard normal) in the expansion of the inverse of the distribution
    (Giles 2016, ACM Algorithm 955, equation 6); smaller ones invert it exactly with ``bits``.
    """
    spread = np.sqrt(rate)
    counts = np.floor(rate + spread * z + (1.0 / 3.0 + z * z / 6.0))
    np.maximum(counts, 0.0, out=counts)
    small = np.flatnonzero(rate < _SMALL_RATE)
    if len(small):
        counts[small] = _inverted(rate[small], uniform(mixed(bits[small] + _GOLDEN)))
    return counts


def _inverted(rate: Floats, u: Floats) -> Floats:
    """The smallest counts whose cumulative probability reaches ``u``."""
    counts = np.zeros(len(rate))
    mass = np.exp(-rate)
    left = u - mass
    open_ = np.flatnonzero(left > 0)
    rate, mass, left = rate[open_], mass[open_], left[open_]
    for k in range(1, 80):  # P(count >= 80 | rate 10) < 1e-40
        if not len(open_):
            break
        mass = mass * rate / k
        left = left - mass
        counts[open_] = k
        still = left > 0
        open_, rate, mass, left = open_[still], rate[still], mass[still], left[still]
    return counts
