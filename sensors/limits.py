"""How many readings a second each gateway may send: one token bucket a gateway."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rate:
    """A bucket of one second's readings for each gateway, refilled at ``rate`` readings a second.

    A request larger than the bucket passes when the bucket is full and leaves a debt, so that a large batch is
    slowed down rather than refused for ever. Time comes in as an argument, in seconds of a clock that never goes back.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._buckets: dict[str, _Bucket] = {}

    def wait(self, gateway: str, readings: int, now: float, rate: float | None = None) -> float:
        """Seconds until ``readings`` may pass; 0 when they may now. Takes nothing. ``rate`` is this gateway's own."""
        rate = rate or self.rate
        needed = min(readings, rate) - self._left(gateway, now, rate)
        return max(0.0, needed / rate)

    def take(self, gateway: str, readings: int, now: float, rate: float | None = None) -> float:
        """Let ``readings`` pass and return 0, or the seconds to wait and take nothing."""
        wait = self.wait(gateway, readings, now, rate)
        if not wait:
            self._buckets[gateway].left -= readings
        return wait

    def _left(self, gateway: str, now: float, rate: float) -> float:
        bucket = self._buckets.setdefault(gateway, _Bucket(rate, now))
        bucket.left = min(rate, bucket.left + (now - bucket.at) * rate)
        bucket.at = now
        return bucket.left
