"""The archivist: a process with the agent archive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from config.site import Site
from streams import app as apps
from streams.agents.archive import ArchiveAgent
from streams.teacher import Teacher
from streams.tidier import Tidier
from streams.watchdog import Watchdog


async def run_archive(site: Site, kafka: str, train: Sequence[str] = (), tidy: Sequence[str] = ()) -> int:
    """Archive every topic until told to stop; the exit code.

    ``train`` is the command that teaches from the archive, ``tidy`` the one that puts its files together.
    """
    app = apps.create(f"{site.city.id}-archive", kafka)
    settled = asyncio.Event()
    archive = ArchiveAgent(app, site, settled)
    dog = Watchdog(app, lambda: {key: (at.inbox.next, 0) for key, at in archive.partitions.items()})

    async def assigned(_: Any, partitions: set[Any], **__: Any) -> None:
        await apps.guarded(take_over({(tp.topic, tp.partition) for tp in partitions}))

    async def take_over(mine: set[tuple[str, int]]) -> None:
        await archive.assigned(await apps.log_bounds(kafka, app.conf.id, mine))
        settled.set()

    async def revoked(_: Any, partitions: set[Any], **__: Any) -> None:
        settled.clear()
        await apps.guarded(archive.revoked({(tp.topic, tp.partition) for tp in partitions}))

    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_partitions_revoked.connect(revoked, weak=False)
    apps.serve_metrics(site.settings)
    beside: list[Callable[[], Awaitable[None]]] = [
        archive.clock,
        dog.run,
        Teacher(site, train).run,
        Tidier(tidy, site.settings.archive_tidy_min).run,
    ]
    return await apps.run(app, beside=beside, stopping=archive.flush_all)
