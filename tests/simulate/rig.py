"""What the tests of the simulator share: the moment they start at, and what is watched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from kafka import KafkaConsumer, TopicPartition
from numpy.typing import NDArray

from config.register import Register
from sensors.simulate.chengdu import City
from sensors.simulate.incidents import Incident, Timetable

START_MS = 1_790_000_000_000  # 2026-09-21 21:33:20 in Chengdu, a Monday evening
GATEWAYS = 20
S, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True)
class Watched:
    """A property watched on assets of one kind."""

    kinds: tuple[str, ...]
    property: str
    unit: str
    low: float
    high: float
    cadence_s: float
    pack: str = "test"


WATCHED = (
    Watched(("camera",), "people", "1", 0, 5_000, 5),
    Watched(("gate",), "visitors", "1", 0, 20_000, 60),
    Watched(("gauge",), "water_level", "m", 0, 10, 60),
    Watched(("rain",), "rainfall", "mm/h", 0, 400, 60),
    Watched(("air",), "pm25", "ug/m3", 0, 1_000, 300),
    Watched(("wind",), "wind_speed", "m/s", 0, 80, 60),
    Watched(("counter",), "pedestrians", "1", 0, 100_000, 3_600),
)


def rows_of(register: Register, property_: str) -> NDArray[np.int64]:
    """The datastreams of one property."""
    return np.flatnonzero((register.frame["property"] == property_).to_numpy())


def in_zone(register: Register, zone: int, property_: str) -> NDArray[np.int64]:
    """The datastreams of one property in a zone."""
    inside = register.frame["zones"].list.contains(zone).to_numpy()
    return np.flatnonzero(inside & (register.frame["property"] == property_).to_numpy())


def without_incidents(city: City, *incidents: Incident, fault_share: float = 0.0) -> City:
    """The city with only these incidents, and as many faults."""
    other = City(city.register, city.places, city.calendar, city.seed, Timetable(incidents), city.gateway, fault_share)
    assert other.timetable.between(0, 2**53) == tuple(sorted(incidents, key=lambda one: one.start_ms))
    return other


def joined(parts: Iterable[Any]) -> NDArray[Any]:
    """Arrays one after the other."""
    return np.concatenate(list(parts))


def wait_until(true: Callable[[], bool], what: str, within_s: float = 15.0) -> None:
    """Wait for a condition; fails naming it."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.02)


def consumed(servers: str, topic: str) -> list[bytes]:
    """The values of all records in ``topic``, by partition and in order."""
    consumer = KafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    values: list[bytes] = []
    for partition in partitions:
        consumer.assign([partition])
        consumer.seek(partition, 0)
        while consumer.position(partition) < ends[partition]:
            for records in consumer.poll(timeout_ms=500).values():
                values.extend(record.value for record in records)
    consumer.close()
    return values
