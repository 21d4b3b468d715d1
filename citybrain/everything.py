"""``citybrain run all``: every role of a city on this machine, for input that comes from real gateways."""

from __future__ import annotations

import asyncio

from citybrain import prepare
from citybrain.attended import say, tell_end, until
from citybrain.local.supervisor import Supervisor
from citybrain.stack import SPARE, Stack, check_machine
from config import site as sites
from config.settings import Settings

ROLES = ("gateway", "wall", "archive", "notifier", "worker")


async def run_all(settings: Settings) -> int:
    """Run broker and store (where none is configured) and every role until told to stop."""
    check_machine(settings)
    stop = asyncio.Event()
    async with Supervisor(settings.data, on_end=tell_end) as supervisor:
        ending = asyncio.create_task(supervisor.run_until(stop))
        try:
            if await until(stop, _start(Stack(settings, supervisor))):
                await stop.wait()
                say("citybrain: stopping")
                ending_roles = [supervisor.end(role) for role in (*ROLES, SPARE)]
                await asyncio.gather(*ending_roles)  # the broker is there until the last
        finally:
            stop.set()
            await ending
    return 0


async def _start(stack: Stack) -> bool:
    """Start everything in order and say how to get in; True when all of it is up."""
    settings = stack.settings
    say(f"citybrain: starting {settings.city}; logs are in {settings.data / 'log'}")
    await asyncio.to_thread(prepare.make_register, settings)
    await stack.start_local()
    site = await asyncio.to_thread(sites.load, settings)
    say(f"  register: {len(site.register):,} datastreams in {len(site.city.zones)} zones")
    kafka = stack.settings.kafka
    assert kafka is not None
    await asyncio.to_thread(prepare.make_topics, kafka, site.city.id, site.register.shards)
    await asyncio.gather(*(stack.start_role(role) for role in ROLES), stack.start_role("notifier", SPARE))
    _invite(settings)
    return True


def _invite(settings: Settings) -> None:
    """Where it answers, and how gateways and people get in."""
    where = f"CITYBRAIN_DATA={settings.data} python -m citybrain"
    say(
        f"citybrain: {settings.city} is up\n\n"
        f"  wall and desk  http://{settings.host}:{settings.wall_port}/desk\n"
        f"  readings       http://{settings.host}:{settings.gateway_port}/v1/readings"
        f"   (described at /openapi.json)\n\n"
        f"  a token for a gateway    {where} token new NAME --city {settings.city}\n"
        f"  a login for a person     {where} user add NAME --role dispatcher --city {settings.city}\n"
        f"  a screen without login   {where} display new NAME --city {settings.city}\n"
        f"  what is wrong, if it is  {where} doctor --city {settings.city}\n\n"
        "  Ctrl-C stops everything; the next start goes on from there.\n"
    )
