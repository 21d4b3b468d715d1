"""The peer of ``bench.throughput``: a Faust agent as its documentation writes one, a record a message and a table."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time

import faust


class Reading(faust.Record, serializer="json"):
    """One reading as one message."""

    sensor: str
    value: float


def main(kafka: str, topic: str, messages: int) -> None:
    """Score ``messages`` of ``topic``; prints readings a second and ends."""
    app = faust.App(
        "bench-plain",
        broker=f"kafka://{kafka}",
        store="memory://",
        web_enabled=False,
        datadir=tempfile.mkdtemp(),
        topic_disable_leader=True,
        topic_partitions=1,
    )
    table = app.Table("moments", default=list, partitions=1)
    done = {"n": 0, "since": 0.0}

    @app.agent(app.topic(topic, value_type=Reading))
    async def score(stream) -> None:  # type: ignore[no-untyped-def]
        async for reading in stream:
            if not done["n"]:
                done["since"] = time.perf_counter()
            mean, variance = table[reading.sensor] or (reading.value, 1.0)
            residual = reading.value - mean
            if residual * residual > 36 * variance and done["n"] < 0:
                print("alert")
            table[reading.sensor] = [mean + 0.05 * residual, 0.95 * (variance + 0.05 * residual * residual)]
            done["n"] += 1
            if done["n"] == messages:
                print(f"\n{messages / (time.perf_counter() - done['since'])}", flush=True)
                os._exit(0)

    logging.disable(logging.CRITICAL)
    faust.Worker(app, loglevel="CRITICAL", redirect_stdouts=False, quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
