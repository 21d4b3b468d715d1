"""A small Faust worker for the tests: counts records by key in a table and prints each count."""

from __future__ import annotations

import os
from typing import Any

import faust

app = faust.App(
    os.environ["WORKER"],
    broker=f"kafka://{os.environ['BROKER']}",
    store="memory://",
    datadir=os.environ["WORKER_DATA"],
    topic_partitions=2,
    topic_disable_leader=True,
    web_enabled=False,
    broker_session_timeout=6,
    broker_heartbeat_interval=1,
)
words = app.topic(os.environ["TOPIC"], key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")
counts = app.Table("counts", default=int, partitions=2)


@app.agent(words)
async def count(stream: Any) -> None:
    """Count each record's key."""
    async for event in stream.events():
        key = event.key.decode()
        counts[key] += 1
        print(f"COUNT {key} {counts[key]}", flush=True)


if __name__ == "__main__":
    app.main()
