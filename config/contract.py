"""Topics, Redis keys, channels and metrics: each declared once, with what to do when it moves.

``<city>`` stands before every topic and inside every key, so that cities can share a broker and a store.
"""

from __future__ import annotations

from dataclasses import dataclass

# --- Kafka topics (names fixed by the contract; prefix "<city>.") --------------------------------------------


@dataclass(frozen=True)
class Topic:
    """A topic: its short name, partitions (0 = one a shard), retention and whether it is compacted."""

    name: str
    partitions: int = 1
    retention_hours: int = 48
    compact: bool = False

    def of(self, city: str) -> str:
        """The topic's full name in ``city``."""
        return f"{city}.{self.name}"


READINGS = Topic("readings", partitions=0)  # batches (models/batch.py), partition = shard; lag grows: add a worker
READINGS_JSON = Topic("readings-json")  # single readings as JSON from producers on Kafka; empty in most cities
EVENTS = Topic("events")  # appeals, CAP, positions … (models/events.py); empty until such a gateway is connected
DETECTIONS = Topic("detections")  # models.values.Detection as JSON; a burst means a rule's line is too low
PARTIALS = Topic("partials", retention_hours=6)  # zone sums per tick and shard (models/partials.py), msgpack
TICKS = Topic("ticks", retention_hours=24)  # each tick as shown (models/ticks.py); stands still: no worker
COMMANDS = Topic("commands", retention_hours=24 * 30)  # models.values.Command; what people did
ALERTS = Topic("alerts", compact=True)  # models.values.Alert, key = id; the truth of the alert life cycle
DEAD_LETTERS = Topic("dead-letters", retention_hours=24 * 30)  # DeadLetter; grows: citybrain dead list
INCIDENTS = Topic("incidents", compact=True)  # models.values.Incident, key = id; written by the agent alerts alone
UNITS = Topic("units", compact=True)  # models.values.Unit, key = id; status and incident, not each position
ROOM = Topic("room", compact=True)  # silences, warnings, roster, budget as JSON, key = kind/id; what the room decided
NOTIFICATIONS = Topic("notifications", retention_hours=24 * 7)  # models.values.Notification; lag: a route is down
AUDIT = Topic("audit", retention_hours=24 * 366)  # models.values.AuditLine, hash-chained; citybrain audit verify
TOPICS = (
    READINGS,
    READINGS_JSON,
    EVENTS,
    DETECTIONS,
    PARTIALS,
    TICKS,
    COMMANDS,
    ALERTS,
    INCIDENTS,
    UNITS,
    ROOM,
    NOTIFICATIONS,
    AUDIT,
    DEAD_LETTERS,
)


# --- Redis: the live picture --------------------------------------------------------------------------------
# Everything here can be rebuilt: after a loss of Redis the worker writes the whole picture again.


def values(city: str, shard: int) -> str:
    """String: float32 little-endian, the last value of each datastream of the shard in register order (NaN none)."""
    return f"citybrain:{city}:values:{shard}"


def scores(city: str, shard: int) -> str:
    """String: float32 little-endian, the last score (-log10 p) of each datastream, order as ``values``."""
    return f"citybrain:{city}:scores:{shard}"


def times(city: str, shard: int) -> str:
    """String: uint32 little-endian, phenomenon time of the last value in s since 1970 UTC (0 = never)."""
    return f"citybrain:{city}:times:{shard}"


def zones(city: str) -> str:
    """String: JSON {"tick": ms, "rows": [{"zone", "property", "value", "expected", "score", "n", …}]}, each tick."""
    return f"citybrain:{city}:zones"


def forecasts(city: str) -> str:
    """String: JSON {"tick", "minutes": [15, 30, 60], "versions": {property: name}, "rows": [{"zone", "property",
    "middle": [a minute each], "low": [[80 %, 90 %] each], "high": …}]}, each tick; null where nothing can be said."""
    return f"citybrain:{city}:forecasts"


def history(city: str) -> str:
    """List, newest first, at most HISTORY_LENGTH: JSON {"tick": ms, "totals": {property: [value, expected]}}."""
    return f"citybrain:{city}:history"


HISTORY_LENGTH = 2_000


def alerts(city: str) -> str:
    """Hash: alert id → Alert as JSON; closed alerts stay for CLOSED_LINGER_S, then leave."""
    return f"citybrain:{city}:alerts"


CLOSED_LINGER_S = 600


def incidents(city: str) -> str:
    """Hash: incident id → Incident as JSON; closed ones stay for CLOSED_LINGER_S, then leave."""
    return f"citybrain:{city}:incidents"


def units(city: str) -> str:
    """Hash: unit id → Unit as JSON with its last position, written at most once a second."""
    return f"citybrain:{city}:units"


def room(city: str) -> str:
    """Hash: kind/id → JSON of silences, warnings, the roster and the shift on duty."""
    return f"citybrain:{city}:room"


def flood(city: str) -> str:
    """String: JSON {"seats": {user: alerts in 10 min}, "flood": bool, "since": ms, "hidden": n}; each second."""
    return f"citybrain:{city}:flood"


def figures(city: str) -> str:
    """Hash: "<pack>/<name>" → JSON {"value": n or null, "unit", "at": ms, "severity": 1 to 4 where it is one}: numbers
    that an agent counts for its pack's scene; those older than TOLD_S are not shown."""
    return f"citybrain:{city}:figures"


def tables(city: str) -> str:
    """Hash: "<pack>/<name>" → JSON {"columns": [{en, zh}], "rows": [[text, number, {en, zh} or null]], "at": ms}."""
    return f"citybrain:{city}:tables"


TOLD_S = 900  # a figure or a table that nobody has told again for so long is taken off the wall


def watch(city: str) -> str:
    """String: models.trust.Watch as JSON, each tick: the watch list, the line, the dial, the faults of sensors."""
    return f"citybrain:{city}:watch"


def failed(city: str) -> str:
    """Hash: notification id → JSON {notification, attempts, error, at}; what no route took. Send again or drop it."""
    return f"citybrain:{city}:failed"


def sent(city: str, notification: str) -> str:
    """String with SENT_TTL_S: a notification that went out, or was written down and never goes out; its outcome."""
    return f"citybrain:{city}:sent:{notification}"


SENT_TTL_S = 7 * 86_400  # as long as the topic keeps them


def notifier(city: str) -> str:
    """String with NOTIFIER_LEASE_MS: which notifier sends now; the others stand by."""
    return f"citybrain:{city}:notifier"


NOTIFIER_LEASE_MS = 1_500


def answer(city: str, command: str) -> str:
    """String with ANSWER_TTL_S: what became of a command (models.values.Answer as JSON)."""
    return f"citybrain:{city}:answer:{command}"


ANSWER_TTL_S = 120


def held(city: str) -> str:
    """Hash: command id → JSON {command, until}; acknowledgements that can still be taken back (wall/holding.py)."""
    return f"citybrain:{city}:held"


def present(city: str) -> str:
    """Hash: open page → JSON {by, alert, at}; who looks at which alert, written by the wall (wall/presence.py)."""
    return f"citybrain:{city}:present"


def requests(city: str) -> str:
    """Hash: service request id → ServiceRequest as JSON, the newest REQUESTS_KEPT; written by the gateway."""
    return f"citybrain:{city}:requests"


def request_order(city: str) -> str:
    """Sorted set: service request id by the time of its request; tells which leaves ``requests`` next."""
    return f"citybrain:{city}:request-order"


REQUESTS_KEPT = 50_000


def packs(city: str) -> str:
    """Hash: pack → JSON {state: in-force|refused|draft, version, since, tried (ms), error}. Refused: mend its file."""
    return f"citybrain:{city}:packs"


def appeals(city: str) -> str:
    """String: models.appeals_picture.Appeals as JSON, every few seconds: clusters, departments, top ten, late."""
    return f"citybrain:{city}:appeals"


def unknown(city: str) -> str:
    """Hash: datastream → JSON {source, count, first, last}; what came and is not registered. Adopt it or mend it."""
    return f"citybrain:{city}:unknown"


def sources(city: str) -> str:
    """Hash: gateway → JSON of whole numbers, written by the gateway each second: accepted, rejected, last (ms), lag_ms,
    datastreams, expected (a minute), completeness (thousandths of it, last minute), offset_ms, duplicates."""
    return f"citybrain:{city}:sources"


def counters(city: str) -> str:
    """Hash: "scored:<shard>", "duplicates:<shard>", "late:<shard>", "rejected:<shard>" → since the city began."""
    return f"citybrain:{city}:counters"


def owners(city: str) -> str:
    """Hash: "shard:<k>" and "alerts" → ms at which the worker that owns it last wrote; 10 s old: its worker is down."""
    return f"citybrain:{city}:owners"


def changes(city: str) -> str:
    """Channel (pub/sub), JSON, one of:

    {"what": "values", "shard": k, "chunks": [c, …], "time": ms, "accepted": ms}  chunks of CHUNK datastreams moved;
        accepted = when the oldest reading in them was accepted, time = newest phenomenon time
    {"what": "zones", "tick": ms} · {"what": "alert", "id": …, "state": …} · {"what": "answer", "command": …}
    {"what": "incident", "id": …, "state": …} · {"what": "units", "ids": […]} · {"what": "room", "key": …}
    {"what": "appeals"}  how citizens' appeals stand was counted again
    {"what": "watch"}  the watch list, the line or the dial moved
    {"what": "people"}  somebody looks at another alert, or an acknowledgement waits or was taken back
    {"what": "all"}  the whole picture was written again: read everything
    """
    return f"citybrain:{city}:changes"


CHUNK = 1_000  # datastreams in one chunk of the packed arrays

# --- Metrics (Prometheus), each on /metrics of its process ----------------------------------------------------
METRICS = {
    "citybrain_readings_accepted_total": "Readings answered 202, by source. Flat: the gateway is silent: ask there.",
    "citybrain_readings_rejected_total": "Readings refused, by source and reason. Rising: read citybrain dead list.",
    "citybrain_request_seconds": "Time to answer a request, by route. p99 over 1 s: the broker is slow or away.",
    "citybrain_spool_bytes": "Bytes waiting on disk for the broker. Above zero: the broker is away.",
    "citybrain_readings_scored_total": "Readings scored, by shard. Below accepted: the worker lags.",
    "citybrain_lag_messages": "Messages not yet scored, by shard. Growing: add a worker.",
    "citybrain_batch_seconds": "Time to score one batch. Rising: look for a hot shard.",
    "citybrain_detections_total": "Detections, by pack and rule. A burst: the rule's line is too low.",
    "citybrain_notifications_total": "Notifications by route and outcome. Any failed: citybrain notify failed list.",
    "citybrain_notifications_waiting": "Notifications read and not yet settled. Growing: a route is down or quiet.",
    "citybrain_wall_viewers": "Open walls and desks. Zero in a command centre: a screen is down.",
    "citybrain_wall_push_seconds": "Accepted to pushed to the browsers. p99 over 1 s: the wall is late.",
}
