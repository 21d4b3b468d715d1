"""The shape of ``pack.yaml``: every key, its type and what it means; the JSON Schema for editors comes from it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from config.alarm_keys import GroupKey, InhibitKey
from config.pack_faults import PATTERNS
from config.pack_simulate import SimulateKey
from config.pack_words import DURATION, NAME, Duration, Name
from config.quality import QualityKey
from config.scenes import SceneKey
from models.values import Kind, Severity, Text

PATTERNS[DURATION] = "is no duration; write a number and ms, s, m, h or d, as in 90s"
PATTERNS[NAME] = "is no name; write letters, digits, - and _, a letter first"
Domain = Literal["economy", "market-supervision", "social-management", "public-services", "environment", "appeals"]
Status = Literal["live", "trial", "draft"]


class DatastreamsKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One property that is watched, on every asset of some kinds."""

    property: Annotated[Name, Meta(description="what is observed; once a pack")]
    kinds: Annotated[list[Name], Meta(min_length=1, description="kinds of assets that observe it")]
    unit: Annotated[str, Meta(description='UCUM unit of the values; "1" for counts')]
    range: Annotated[tuple[float, float], Meta(description="lowest and highest value that can be true")]
    cadence: Annotated[Duration, Meta(description="how often a reading comes, as in 60s")]
    detector: Annotated[str, Meta(description="which detector scores it")]
    parameters: Annotated[dict[str, Any], Meta(description="the detector's parameters that differ")] = {}
    quality: Annotated[QualityKey | bool, Meta(description="faults of sensors that are looked for")] = True


class ZonesKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One property that is summed over zones."""

    property: Annotated[str, Meta(description="one of this pack's datastreams")]
    detector: Annotated[str, Meta(description="which detector judges the sums; running-level suits")]
    parameters: Annotated[dict[str, Any], Meta(description="its parameters")] = {}
    kinds: Annotated[list[str], Meta(description="kinds of zones that rules on them see; left out: all")] = []


class EventsKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One kind of events that is read."""

    kind: Annotated[Name, Meta(description="the kind on the topic events, or one that an agent makes")]
    means: Annotated[Text, Meta(description="what it tells, in both languages")] = Text("", "")
    detector: Annotated[str, Meta(description="what makes it of other events, as in space-time-scan")] = ""
    parameters: Annotated[dict[str, Any], Meta(description="the detector's parameters that differ")] = {}


class RuleKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"for_": "for"}):
    """When something becomes an alert, and when it is over; shaped as a Prometheus alert."""

    alert: Annotated[Name, Meta(description="the rule's name; once a pack")]
    reads: Annotated[Literal["datastreams", "zones", "events"], Meta(description="what expr sees a row of")]
    expr: Annotated[str, Meta(description="SQL that must hold, as in value >= 0.27")]
    severity: Annotated[Severity, Meta(description="CAP: Extreme, Severe, Moderate, Minor; shown as 红 橙 黄 蓝")]
    headline: Annotated[Text, Meta(description="one sentence, with words such as {place} in braces")]
    title: Annotated[Text | None, Meta(description="what the rule is called; left out: its name")] = None
    property: Annotated[str, Meta(description="one of the datastreams; for zones one that is summed")] = ""
    event: Annotated[str, Meta(description="with reads: events, one of the kinds under events")] = ""
    clear: Annotated[str, Meta(description="SQL that ends the alert; left out: that expr does not hold")] = ""
    for_: Annotated[Duration, Meta(description="how long expr must hold first")] = "0s"
    clear_for: Annotated[Duration, Meta(description="how long clear must hold")] = "0s"
    watch: Annotated[float, Meta(description="the least score at which a reading is looked at")] = 0.0
    kind: Annotated[Kind, Meta(description="event in the city, or data-quality of a sensor")] = "event"
    labels: Annotated[dict[str, str], Meta(description="words of your own, for routes")] = {}
    deadband: Annotated[float | None, Meta(description="instead of clear: how far back the value must go")] = None
    latch: Annotated[bool, Meta(description="stays until somebody resets it")] = False
    confirm: Annotated[bool, Meta(description="stays until somebody confirms that it was done")] = False
    realarm: Annotated[Duration, Meta(description="acknowledged and lasting, it asks again after so long")] = "0s"
    line: Annotated[
        dict[str, float] | None,
        Meta(description="a level whose crossing is foretold, as in {value: 0.27}"),
    ] = None
    budget: Annotated[bool | None, Meta(description="does the alert budget judge what it finds")] = None


class PlanKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where a response plan's table lies and how it is used (docs/plans.md); ``reads`` are columns it must have."""

    table: Annotated[str, Meta(description="the file of the decision table, beside pack.yaml")]
    reads: Annotated[list[str], Meta(min_length=1, description="inputs that the table must have as columns")]
    calm: Annotated[Duration, Meta(description="how long a lower stage must have held")] = "10m"
    margin: Annotated[float, Meta(ge=0, le=1, description="how far inputs are raised on the way down")] = 0.1


class SeriesKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One series of a test: of a property at one place, or of a kind of events."""

    values: Annotated[str, Meta(description="values in a row, as in 0.02x10 0.1+0.05x4 _ 0.3x5")]
    property: Annotated[str, Meta(description="one of the datastreams")] = ""
    event: Annotated[str, Meta(description="one of the kinds of events")] = ""
    every: Annotated[Duration, Meta(description="between two values; left out: the cadence, else 60s")] = ""
    at: Annotated[str, Meta(description="the place's name, where a test has several")] = "place"
    columns: Annotated[
        dict[str, str | float],
        Meta(description="other columns of the frame, in the same notation; texts as one word for all rows"),
    ] = {}


class GivesKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An alert that a test must give."""

    alert: Annotated[str, Meta(description="one of the rules")]
    after: Annotated[Duration, Meta(description="so long after the series' start it fires, at the latest")]
    not_before: Annotated[Duration, Meta(description="and not earlier than this")] = "0s"
    until: Annotated[Duration, Meta(description="it has ended so long after the start; left out: it need not end")] = ""
    at: Annotated[str, Meta(description="the place it is about")] = "place"


class TestKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A short series with the alerts that it must and must not give."""

    __test__ = False  # not one of pytest's
    name: Annotated[str, Meta(min_length=1, description="what it shows, one sentence")]
    series: Annotated[list[SeriesKey], Meta(min_length=1, description="what comes in")]
    gives: Annotated[list[GivesKey], Meta(description="alerts that must come")] = []
    never: Annotated[list[str], Meta(description="rules that must stay quiet")] = []
    starts: Annotated[str, Meta(description="local time of the start, as in 2025-07-01T08:00")] = "2025-07-01T08:00"


class PackKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A scenario pack: what is watched, when it becomes an alert, what is done, and how it is tried."""

    pack: Annotated[Name, Meta(description="the folder's name")]
    title: Annotated[Text, Meta(description="what people call the scenario")]
    owner: Annotated[Text, Meta(description="the bureau that answers for it")]
    domain: Annotated[Domain, Meta(description="one of the six domains")]
    rules: Annotated[list[RuleKey], Meta(description="when something becomes an alert")]
    datastreams: Annotated[list[DatastreamsKey], Meta(description="what is watched")] = []
    events: Annotated[list[EventsKey], Meta(description="kinds of events that are read")] = []
    zones: Annotated[list[ZonesKey], Meta(description="what is summed over zones")] = []
    group: Annotated[GroupKey, Meta(description="how its alerts come together in incidents")] = GroupKey()
    inhibit: Annotated[list[InhibitKey], Meta(description="which alerts follow from others")] = []
    plan: Annotated[PlanKey | None, Meta(description="the response plan")] = None
    scene: Annotated[SceneKey, Meta(description="its page on the wall")] = SceneKey()
    false_positives: Annotated[list[Text], Meta(description="what looks like it and is not")] = []
    tests: Annotated[list[TestKey], Meta(description="short series with the alerts they must give")] = []
    simulate: Annotated[SimulateKey, Meta(description="how a simulated city fills it")] = SimulateKey()
    status: Annotated[Status, Meta(description="live, trial, or draft (not loaded)")] = "draft"
