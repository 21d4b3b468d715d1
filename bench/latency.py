"""How late the wall is at the full rate of Chengdu: reading accepted by the gateway to change received by a viewer.

The whole product runs as in ``citybrain demo``: 19,000 readings/s over HTTP, broker, worker, archive, wall, one viewer.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.machine import cpu_s, rss_mb, tell
from citybrain import prepare
from citybrain.access import access
from citybrain.commands import feed
from citybrain.local.ports import free_port
from citybrain.local.supervisor import Supervisor
from citybrain.stack import Stack
from citybrain.viewer import Viewer
from config import site as sites
from config.settings import Settings

SETTLE_S = 20.0
MEASURE_S = 60.0
ROLES = ("broker", "redis", "gateway", "worker", "archive", "wall", "feed")


def main(as_json: bool) -> int:  # the result is always JSON
    """Run the benchmark; one JSON object on the last line."""
    with tempfile.TemporaryDirectory(prefix="citybrain-bench-") as folder:
        return tell(asyncio.run(_measure(Path(folder))))


async def _measure(folder: Path) -> dict[str, Any]:
    settings = Settings(city="chengdu", data=folder, gateway_port=free_port(), wall_port=free_port())
    prepare.make_register(settings)
    async with Supervisor(folder) as supervisor:
        stack = Stack(settings, supervisor)
        await stack.start_local()
        site = sites.load(stack.settings)
        assert stack.settings.kafka is not None
        prepare.make_topics(stack.settings.kafka, site.city.id, site.register.shards)
        secrets = access(stack.settings, feed.gateways(site.city))
        prepare.warm_up(site, lambda what, share: None)
        for role in ("gateway", "archive", "worker", "wall"):
            await stack.start_role(role)
        viewer = Viewer(f"http://{settings.host}:{settings.wall_port}", secrets.display)
        following = asyncio.create_task(viewer.follow())
        await stack.start_feed()
        await asyncio.sleep(SETTLE_S)
        before = {role: _cost(supervisor, role) for role in ROLES}
        accepted, taken = feed.said(stack.settings).accepted, viewer.bytes
        viewer.late_ms.clear()
        await asyncio.sleep(MEASURE_S)
        after = {role: _cost(supervisor, role) for role in ROLES}
        accepted, taken = feed.said(stack.settings).accepted - accepted, viewer.bytes - taken
        memory = {role: round(rss_mb(supervisor.pid(role) or 0)) for role in ROLES}
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    p50, p99 = viewer.percentiles()
    return {
        "accepted_per_s": round(accepted / MEASURE_S),
        "p50_ms": p50,
        "p99_ms": p99,
        "samples": len(viewer.late_ms),
        "viewer_kb_per_s": round(taken / MEASURE_S / 1024, 1),
        "core_share": {role: round((after[role] - before[role]) / MEASURE_S, 3) for role in ROLES},
        "rss_mb": memory,
    }


def _cost(supervisor: Supervisor, role: str) -> float:
    return cpu_s(supervisor.pid(role) or 0)


if __name__ == "__main__":
    sys.exit(main(True))
