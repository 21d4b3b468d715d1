"""A drill at speed without people: the shadow's detections through a room of its own, all in simulated time."""

from __future__ import annotations

import time

from citybrain.drills import shadow as shadows
from citybrain.drills.happening import Happenings
from citybrain.drills.others import Others
from citybrain.drills.sheet import Sheet, injected, raised, sheet, told
from citybrain.drills.watching import View, Watching
from config import rooms
from config.city import City
from config.drills import Drill, begin_ms
from config.register import Register
from models.alarm import HIDDEN
from models.outcome import Outcome
from models.room import Room
from models.values import Alert, Detection, Order, ServiceRequest, Text

SETTLE_MS = 120_000  # so long after the last injection it goes on, so that false alerts have time to come
USUAL_BEGIN_MS = 1_790_000_000_000  # 2026-09-21 21:33:20 in Chengdu: where a drill does not say


def run(
    drill: Drill,
    pack: str,
    city: City,
    register: Register | None = None,
    whole: bool = False,
    speed: float | None = None,
) -> Sheet:
    """Run the drill, at most ``speed`` times real time; ``register`` is the city's where it was made before.

    Only the districts that it touches take part, or the ``whole`` city. Raises ``DrillError``.
    """
    begin = begin_ms(drill, city.timezone) or USUAL_BEGIN_MS
    name = shadows.exercise_id(drill.drill, begin)
    with shadows.away(city) as home:
        shadow = shadows.make(drill, city, register or shadows.built(city), home, begin, whole)
        shadow.inject(drill, begin)
        room = Room(rooms.setup(shadow.site))
        others = Others(drill, city, shadow.site.register, name, begin)
        happenings = Happenings(drill, shadow.site, begin)
        watching = Watching(drill, city, begin, people=False)
        alerts: dict[str, Alert] = {}
        found: list[tuple[Detection, int]] = []
        step, end = city.tick_ms, begin + drill.lasts_ms
        clock = time.monotonic()
        settled = max(watching.began.values()) + SETTLE_MS
        room.take(_begin(drill, name, begin, end + step), begin)
        for now in range(begin + step, end + step, step):
            _held(clock, (now - begin) / 1000, speed)
            out = Outcome()
            given = others.due(now, list(room.units.values()), list(room.incidents.values()))
            happened = [*shadow.step(now), *happenings.step(now, given)]
            detected = [shadows.exercise(one, name) for one in happened]
            found += [(one, now) for one in detected]
            for one in (*detected, *(one for one in given if not isinstance(one, ServiceRequest))):
                out.merge(room.take(one, now))
            out.merge(room.tick(now))
            alerts |= {key: alert for key, alert in out.alerts.items() if alert is not None}
            watching.warned = others.warned
            watching.look(View(alerts, room.incidents, list(room.units.values()), room.warned.raised), now)
            if watching.decided(now) and now >= settled:
                end = now
                break
        lines = injected(drill) + raised(alerts, begin)
        shown = [(one, at) for one, at in found if one.id in alerts and not _hidden(alerts[one.id])]
        return sheet(
            watching,
            city,
            pack,
            shadow.happened.truth,
            told(shown, shadow.site.packs, city),
            name=name,
            mode="at-speed",
            blind=False,
            by="",
            ended=end,
            state="ended",
            emergency=Text(en="", zh=""),
            lines=lines,
        )


def _held(clock: float, passed_s: float, speed: float | None) -> None:
    """Wait until it is time for what is ``passed_s`` after the begin, at ``speed``; without one never."""
    if speed is not None:
        time.sleep(max(0.0, clock + passed_s / speed - time.monotonic()))


def _begin(drill: Drill, name: str, now: int, ends: int) -> Order:
    args: dict[str, str | int | float | bool | list[str] | None] = {"drill": drill.drill, "ends": ends}
    return Order(
        id=f"{name}-begin", about="drill", subject=name, do="begin", by="citybrain", at=now, role="system", args=args
    )


def _hidden(alert: Alert) -> bool:
    """Whether nobody ever saw it: another one explained it from the first moment on."""
    return all(step.now in HIDDEN for step in alert.history[1:]) and alert.state in HIDDEN
