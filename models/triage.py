"""From alert to incident: the stages between detection and people, applied to the room.

deduplicate (one open alert a source) → inhibit and silence → group into incidents → route to a seat. The stages
themselves are in models/pipeline.py, grouping.py, silences.py, flood.py and incidents.py; here they are put in order,
with the indexes that make each of them quick. Everything here can be made again from the room's alerts and incidents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from models import alarm, incidents, pipeline, silences
from models.flood import Flood, Flooded
from models.grouping import Groups
from models.outcome import Outcome
from models.silences import Silence
from models.values import Alert, Detection, Incident, from_json, to_json

if TYPE_CHECKING:
    from models.room import Room

UNTOLD = ("opened", "succeeded", "inherited", "chattering")  # steps of an alert that its incident's timeline leaves out


@dataclass(slots=True)
class _Minute:
    """What the timeline of an incident took of its alerts in one minute."""

    number: int
    lines: int = 0
    untold: int = 0


class Triage:
    """The stages with what they remember."""

    def __init__(self, room: Room) -> None:
        setup = room.setup
        self._room = room
        self._ground = setup.ground
        self._sources = pipeline.Sources()
        self._inhibitions = pipeline.Inhibitions(setup.inhibitions, setup.ground.small)
        self._groups = Groups(setup.groupings, setup.ground)
        self._flood = Flood()
        self._seats: tuple[str, ...] = ()
        self._minutes: dict[str, _Minute] = {}
        self._hidden: dict[str, dict[str, None]] = defaultdict(dict)  # "alert/<id>" or "silence/<id>" → whom it hides
        self._in_force: set[str] = set()  # silences
        self.silences: dict[str, Silence] = {}
        self.members: dict[str, dict[str, None]] = defaultdict(dict)  # incident → its alerts that are not closed

    # --- detections ---------------------------------------------------------------------------------------------

    def detected(self, detection: Detection, now: int, out: Outcome) -> None:
        """A condition began or ended."""
        room = self._room
        before = room.alerts.get(detection.id)
        demands = room.setup.demands.get((detection.pack, detection.rule), alarm.NONE)
        after = alarm.apply(before, detection, now, demands)
        if after is None or after is before:
            return
        chatters = self._sources.chatters(detection, now)
        if before is None:
            after = self._placed(self._hide(self._follow(after, now, out), now), now, out)
        if chatters:
            after = alarm.flagged_chattering(after, now)
        room.keep_alert(after, out)
        if before is None:
            self._present(after, now)

    def _follow(self, alert: Alert, now: int, out: Outcome) -> Alert:
        """The new alert in the place of an older one of the same source, which is closed."""
        old = self._room.alerts.get(self._sources.before(alert.detection))
        if old is None:
            return alert
        done, heir = alarm.succeeded(old, alert, now)
        if self._is_open(old.incident):
            heir = alarm.joined(heir, old.incident)
            self._join(heir, now, out)
        self._room.keep_alert(done, out)
        return heir

    def _hide(self, alert: Alert, now: int) -> Alert:
        """The alert suppressed where another one explains it or a silence is about it."""
        cause = self._inhibitions.cause(alert.detection)
        if cause:
            return alarm.suppressed(alert, f"alert/{cause}", now)
        silence = silences.find(self.silences, alert.detection, now)
        return alarm.suppressed(alert, silence.key, now) if silence else alert

    # --- grouping -----------------------------------------------------------------------------------------------

    def _placed(self, alert: Alert, now: int, out: Outcome) -> Alert:
        """The alert in the incident that it is about, or in a new one.

        One that is hidden by a silence, or by a cause that is, has none until it is shown.
        """
        if alert.incident or self._is_kept_out(alert):
            return alert
        related, inside = self._related(alert, now)
        if related:
            incident = min(related, key=lambda one: (one.opened, one.id))
            for other in related:
                if other.id in inside and self._alike(incident, other):
                    self.merge(incident.id, other.id, now, out)
            alert = alarm.joined(alert, incident.id)
            self._join(alert, now, out)
        else:
            alert = self._open(alert, now, out)
        return alert

    def _is_kept_out(self, alert: Alert) -> bool:
        if alert.state != "suppressed" or alert.hidden_by.startswith("silence/"):
            return alert.state == "suppressed"
        cause = self._room.alerts.get(alert.hidden_by.removeprefix("alert/"))
        return cause is not None and not cause.incident

    def _related(self, alert: Alert, now: int) -> tuple[list[Incident], set[str]]:
        """The open incidents that the alert is about, and which of them lie inside its place."""
        detection = alert.detection
        cause = self._room.alerts.get(alert.hidden_by.removeprefix("alert/"))
        if cause is not None and self._is_open(cause.incident):
            return [self._room.incidents[cause.incident]], set()
        names, inside = self._groups.related(detection, self._flood.scope(now))
        window = self._groups.grouping(detection.pack).window_ms
        recent = [name for name in names if self._is_recent(name, detection, window)]
        explained = self._explained(detection)
        found = [self._room.incidents[name] for name in dict.fromkeys((*recent, *explained))]
        return [one for one in found if one.exercise == detection.exercise], {*inside, *explained}

    def _is_recent(self, incident: str, detection: Detection, window_ms: int) -> bool:
        """Whether something of the incident lasts still, or began or ended within the window; in phenomenon time."""
        known = self._room.alerts  # one that is being placed has its incident, and is kept a moment later
        alerts = [known[name] for name in self.members.get(incident, ()) if name in known]
        if any(alert.cleared is None for alert in alerts):
            return True
        last = max([self._groups.last(incident), *(alert.cleared or 0 for alert in alerts)])
        return abs(detection.onset - last) <= window_ms

    def _explained(self, detection: Detection) -> list[str]:
        """The open incidents of the same kind whose alerts follow from this one."""
        if not self._inhibitions.is_cause(detection):
            return []
        alerts = self._inhibitions.explains(detection, self._room.alerts.values())
        names = dict.fromkeys(alert.incident for alert in alerts if alert.detection.kind == detection.kind)
        return [name for name in names if self._is_open(name)]

    @staticmethod
    def _alike(one: Incident, other: Incident) -> bool:
        """Whether two incidents may be made one without asking: nobody loses what they own."""
        return one.id != other.id and (not other.owner or other.owner == one.owner)

    def _open(self, alert: Alert, now: int, out: Outcome) -> Alert:
        it = alert.detection
        incident = incidents.opened(alert, now, self._ground.cameras(it.lon, it.lat))
        alert = alarm.joined(alert, incident.id)
        self._count(alert, incident.id)
        self._room.keep_incident(incident, out)
        return alert

    def _join(self, alert: Alert, now: int, out: Outcome) -> None:
        incident = self._room.incidents[alert.incident]
        self._count(alert, incident.id)
        after = incidents.joined(incident, alert, now, self._line(incident.id, now))
        self._keep(replace(after, active=len(self.members[incident.id])), out)

    def _count(self, alert: Alert, incident: str) -> None:
        """The alert is one of the incident's."""
        self.members[incident][alert.id] = None
        self._groups.add(alert, incident)

    def merge(self, into: str, other: str, now: int, out: Outcome) -> None:
        """Make two open incidents one; the other is closed."""
        after, done = incidents.merged(self._room.incidents[into], self._room.incidents[other], now)
        self.moved_over(after, done, out)

    def moved_over(self, after: Incident, done: Incident, out: Outcome) -> None:
        """Two incidents as ``incidents.merged`` made them; alerts and units of the second go over to the first."""
        names = list(self.members.pop(done.id, ()))
        for name in names:
            alert = alarm.joined(self._room.alerts[name], after.id)
            self._count(alert, after.id)
            self._room.keep_alert(alert, out)
        for unit in [unit for unit in self._room.units.values() if unit.incident == done.id]:
            self._room.keep_unit(replace(unit, incident=after.id), out)
        self._room.keep_incident(replace(after, active=len(self.members[after.id])), out)
        self._room.keep_incident(done, out)
        self._close(done.id)

    def split_off(self, rest: Incident, fresh: Incident, alerts: Iterable[Alert], out: Outcome) -> None:
        """Two incidents as ``incidents.split`` made them; the alerts go over to the new one."""
        for alert in alerts:
            self.members[rest.id].pop(alert.id, None)
            moved = alarm.joined(alert, fresh.id)
            self._count(moved, fresh.id)
            self._room.keep_alert(moved, out)
        self._groups.drop(rest.id)
        for name in self.members[rest.id]:
            self._groups.add(self._room.alerts[name], rest.id)
        self._room.keep_incident(rest, out)
        self._room.keep_incident(fresh, out)

    # --- what an alert's change leads to ------------------------------------------------------------------------

    def moved(self, before: Alert | None, after: Alert, now: int, out: Outcome, told: bool = True) -> None:
        """An alert was opened or changed; ``told``: its incident's timeline says so."""
        self._sources.note(after)
        self._inhibitions.note(after)
        self._note_hidden(before, after)
        if before is not None and after.state != before.state:
            self._incident_follows(before, after, now, out, told)
        if self._inhibitions.is_cause(after.detection):
            self._explain(before, after, now, out)
        if before is not None and before.state in alarm.HIDDEN and after.state not in (*alarm.HIDDEN, "normal"):
            self._shown(after, now, out)

    def _note_hidden(self, before: Alert | None, after: Alert) -> None:
        was, now = (one.hidden_by if one and one.state == "suppressed" else "" for one in (before, after))
        if was == now:
            return
        if was in self._hidden:
            self._hidden[was].pop(after.id, None)
            if not self._hidden[was]:
                del self._hidden[was]
        if now:
            self._hidden[now][after.id] = None

    def _incident_follows(self, before: Alert, after: Alert, now: int, out: Outcome, told: bool) -> None:
        """The incident of an alert whose state changed."""
        incident = self._room.incidents.get(after.incident)
        if incident is None or incident.closed is not None:
            return
        if after.state == "normal":
            self.members[incident.id].pop(after.id, None)
        step = after.history[-1]
        changed = replace(incident, active=len(self.members[incident.id]), changed=now)
        if told and step.action not in UNTOLD and self._line(incident.id, now):
            comment = " · ".join(part for part in (incidents.told(after), step.by, step.comment) if part)
            changed = incidents.step(changed, now, f"alert-{step.action}", comment)
        self._keep(changed, out)

    def _explain(self, before: Alert | None, after: Alert, now: int, out: Outcome) -> None:
        """Hide what a new cause explains; show it again when the cause is over."""
        key = f"alert/{after.id}"
        lasted, lasts = before is not None and pipeline.lasts(before), pipeline.lasts(after)
        if lasts and not lasted:
            for other in self._inhibitions.explains(after.detection, list(self._room.alerts.values())):
                self._room.keep_alert(alarm.suppressed(other, key, now), out)
        elif lasted and not lasts:
            self._show(key, now, out)

    def _lasts(self, key: str) -> bool:
        cause = self._room.alerts.get(key.removeprefix("alert/"))
        return cause is not None and pipeline.lasts(cause)

    def _show(self, key: str, now: int, out: Outcome) -> None:
        """Show again what ``key`` hid."""
        for name in list(self._hidden.pop(key, ())):
            alert = self._room.alerts.get(name)
            if alert is not None:
                self._room.keep_alert(alarm.unsuppressed(alert, key, now), out)

    def _shown(self, alert: Alert, now: int, out: Outcome) -> None:
        """An alert came back to people: something else may hide it, and it needs an incident."""
        placed = self._placed(self._hide(alert, now), now, out)
        self._room.keep_alert(placed, out)
        self._present(placed, now)

    # --- silences -----------------------------------------------------------------------------------------------

    def silence(self, silence: Silence, now: int, out: Outcome) -> None:
        """Keep a silence that was made or ended."""
        self.silences[silence.id] = silence
        self._room.keep_item(silence.key, to_json(silence), out)
        self._quieten(now, out)

    def _quieten(self, now: int, out: Outcome) -> None:
        """Let silences begin and end, and forget those that ended long ago."""
        for silence in list(self.silences.values()):
            holds = silence.holds(now)
            if holds and silence.id not in self._in_force:
                self._in_force.add(silence.id)
                self._silence_open(silence, now, out)
            elif not holds and silence.id in self._in_force:
                self._in_force.discard(silence.id)
                self._show(silence.key, now, out)
            if now - silence.end > silences.KEPT_MS:
                del self.silences[silence.id]
                self._room.keep_item(silence.key, None, out)

    def _silence_open(self, silence: Silence, now: int, out: Outcome) -> None:
        for alert in list(self._room.alerts.values()):
            if silence.fits(alert.detection):
                self._room.keep_alert(alarm.suppressed(alert, silence.key, now), out)

    # --- the clock ----------------------------------------------------------------------------------------------

    def tick(self, now: int, seats: tuple[str, ...], out: Outcome) -> None:
        """Let time work: silences, floods, timelines, incidents that are over. ``seats``: who is on duty."""
        self._seats = seats
        self._sources.forget(now)
        self._flood.tick(now)
        self._quieten(now, out)
        self._sum_up(now, out)
        for incident in [one for one in self._room.incidents.values() if one.closed is None]:
            after = incidents.elapsed(incident, now)
            if after is not incident:
                self._room.keep_incident(after, out)
                self._close(incident.id)

    def end(self, incident: Incident, why: str, now: int, out: Outcome) -> None:
        """Close the incident of an exercise that is over."""
        self._room.keep_incident(incidents.ended(incident, now, why), out)
        self._close(incident.id)

    def flooded(self) -> Flooded:
        """What the wall is told about the load."""
        unfinished = sum(one.closed is None for one in self._room.incidents.values())
        return self._flood.told(sum(map(len, self.members.values())), unfinished)

    def _sum_up(self, now: int, out: Outcome) -> None:
        """One line for what the timelines left out in a minute that is over."""
        for name, minute in list(self._minutes.items()):
            if minute.number == now // 60_000:
                continue
            del self._minutes[name]
            incident = self._room.incidents.get(name)
            if minute.untold and incident is not None and incident.closed is None:
                self._room.keep_incident(incidents.step(incident, now, "alerts-more", str(minute.untold)), out)

    def _line(self, incident: str, now: int) -> bool:
        """Whether the timeline takes one more line of an alert in this minute."""
        minute = self._minutes.get(incident)
        if minute is None or minute.number != now // 60_000:
            untold = minute.untold if minute else 0
            minute = self._minutes[incident] = _Minute(now // 60_000, untold=untold)
        told = minute.lines < incidents.LINES_A_MINUTE
        minute.lines += told
        minute.untold += not told
        return told

    def _keep(self, incident: Incident, out: Outcome) -> None:
        """Keep an incident that alerts changed: at once when its timeline grew, else with the next tick."""
        before = self._room.incidents[incident.id]
        if len(incident.timeline) == len(before.timeline):
            self._room.hold_incident(incident)
        else:
            self._room.keep_incident(incident, out)

    def _present(self, alert: Alert, now: int) -> None:
        """Route an alert that people are to see to a seat, and count it there."""
        if alert.state in alarm.WAITING and alert.incident:
            incident = self._room.incidents[alert.incident]
            seat = self._flood.route(incident.id, incident.owner, self._seats)
            self._flood.present(seat, now, first=incident.alerts[:1] == (alert.id,))

    def _is_open(self, incident: str) -> bool:
        found = self._room.incidents.get(incident)
        return found is not None and found.closed is None

    def _close(self, incident: str) -> None:
        """The incident takes no more alerts."""
        self._groups.drop(incident)
        self._flood.forget(incident)
        self._minutes.pop(incident, None)
        if not self.members.get(incident):
            self.members.pop(incident, None)

    # --- after a crash ------------------------------------------------------------------------------------------

    def restore(self, now: int, out: Outcome) -> None:
        """Make the indexes again, and finish what was half done: an alert is safe before or after its incident is."""
        for key, body in self._room.items.items():
            if key.startswith("silence/"):
                silence = from_json(body, Silence)
                self.silences[silence.id] = silence
        every = sorted(self._room.alerts.values(), key=lambda alert: (alert.opened, alert.id))
        for alert in every:
            self._remember(alert)
        alerts = [alert for alert in every if alert.state != "normal"]
        for alert in alerts:
            self._sources.note(alert)
            self._inhibitions.note(alert)
            self._note_hidden(None, alert)
        for alert in alerts:
            self._return(alert, now, out)
        for incident in [one for one in self._room.incidents.values() if one.closed is None]:
            active = len(self.members[incident.id])
            if incident.active != active:
                self._room.keep_incident(replace(incident, active=active), out)
        for key in [key for key in self._hidden if key.startswith("alert/") and not self._lasts(key)]:
            self._show(key, now, out)
        self._in_force = {name for name, one in self.silences.items() if self._hidden.get(one.key)}
        self._quieten(now, out)

    def _remember(self, alert: Alert) -> None:
        """Where alerts of open incidents are, and how many each seat had: those that are closed count too."""
        incident = self._room.incidents.get(alert.incident)
        if incident is None:
            return
        if incident.closed is None:
            self._groups.add(alert, incident.id)
        seat = self._flood.route(incident.id, incident.owner, self._seats)
        self._flood.present(seat, alert.opened, first=incident.alerts[:1] == (alert.id,))

    def _return(self, alert: Alert, now: int, out: Outcome) -> None:
        """Put one open alert back into its incident, or into one where it had none yet."""
        incident = self._room.incidents.get(alert.incident)
        if incident is not None and incident.merged_into:
            incident = self._room.incidents.get(incident.merged_into)
        if incident is None or incident.closed is not None:
            self._room.keep_alert(self._placed(alarm.joined(alert, ""), now, out), out)
            return
        if alert.incident != incident.id:
            self._room.keep_alert(alarm.joined(alert, incident.id), out)
        self._count(alert, incident.id)
        if alert.id not in incident.alerts and incident.count <= len(incident.alerts):
            self._room.keep_incident(incidents.joined(incident, alert, now), out)
