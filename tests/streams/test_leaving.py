"""A worker leaves in good order also where a loop beside its agents overhears that it is to end."""

from __future__ import annotations

import asyncio

import pytest

from streams import app as apps


def test_a_loop_that_swallows_its_end_is_told_again() -> None:
    """As a wait does that is over in the same moment."""

    async def main() -> tuple[bool, bool]:
        async def deaf() -> None:
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                await asyncio.sleep(3_600)

        async def quick() -> None:
            await asyncio.sleep(3_600)

        tasks = [asyncio.ensure_future(deaf()), asyncio.ensure_future(quick())]
        await asyncio.sleep(0)
        await apps._ended(tasks)
        return tasks[0].cancelled(), tasks[1].cancelled()

    assert asyncio.run(main()) == (True, True)


def test_a_state_that_cannot_be_saved_does_not_hold_the_worker_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves as after a crash, and starts again from the state before."""
    monkeypatch.setattr(apps, "SAFE_S", 0.05)

    async def never() -> None:
        await asyncio.sleep(3_600)

    async def at_once() -> None:
        return None

    app = apps.create("test-worker", "127.0.0.1:1")
    assert asyncio.run(apps._made_safe(app, never)) is False
    assert asyncio.run(apps._made_safe(app, at_once)) is True
