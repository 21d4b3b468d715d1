"""How a simulated city fills a pack: assets it is to have, and what their sensors say (docs/adding-a-scenario.md).

With it a pack of sensors nobody has simulated before runs, is drilled and is shown without a line of code.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from config.city_layers import KINDS as ZONE_KINDS
from config.pack_faults import Faults
from config.pack_words import Duration, Name, milliseconds
from models.nearest import hint
from models.values import Text

Model = Literal["crowd", "standing-water", "rain", "wind", "dust"]  # shared physics of the simulated city
Rhythm = Literal["flat", "home", "office", "road", "leisure", "night", "scenic", "station", "airport"]
MODELS: tuple[Model, ...] = get_args(Model)
MOST = 200_000  # assets that a pack may ask for
Share = Annotated[float, Meta(ge=0, le=1)]
Factor = Annotated[float, Meta(ge=0)]


class AssetsKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Assets of one kind that a simulated city is to have: ``count`` in all, or ``per_zone``."""

    kind: Annotated[Name, Meta(description="the kind, one that the pack watches")]
    name: Annotated[Text, Meta(description="what one is called, as in lift / 电梯")]
    count: Annotated[Annotated[int, Meta(ge=1, le=MOST)] | None, Meta(description="in the city, by residents")] = None
    per_zone: Annotated[Annotated[int, Meta(ge=1, le=1_000)] | None, Meta(description="in each zone of kind at")] = None
    at: Annotated[str, Meta(description="with per_zone: a kind of zone, as in venue")] = ""


class WanderKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Slow change that all assets of the property share."""

    by: Annotated[float, Meta(ge=0, description="its standard deviation, in the unit")]
    over: Annotated[Duration, Meta(description="how slow it is, as in 4h")]


class RainKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What rain does."""

    adds: Annotated[float, Meta(description="for each mm/h of rain over the asset")]
    lags: Annotated[Duration, Meta(description="so long after it fell")] = "0s"


class WindKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What wind does."""

    adds: Annotated[float, Meta(description="for each m/s of wind over the asset")]


class StateKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A state that is 1 now and then, and 0 else; or the other way round with base: 1 and to: 0."""

    share: Annotated[Share, Meta(description="of the assets that are in the state at any moment")]
    lasts: Annotated[Duration, Meta(description="how long one stays in it")]
    to: Annotated[float, Meta(description="what they say then")] = 1.0
    first: Annotated[
        Duration | None,
        Meta(description="so long after its sensors' first word one comes into it, so that a demo shows it"),
    ] = None


class ReadingsKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the sensors of one property say when nothing happens."""

    property: Annotated[str, Meta(description="one of the pack's datastreams")]
    model: Annotated[Model | None, Meta(description="a model that the simulated city shares; then nothing else")] = None
    base: Annotated[float, Meta(description="what it says at rest")] = 0.0
    swing: Annotated[float, Meta(description="what the peak of the rhythm adds")] = 0.0
    rhythm: Annotated[Rhythm, Meta(description="how the day goes, by kind of place")] = "flat"
    weekend: Annotated[Factor, Meta(description="the swing on weekends is times this")] = 1.0
    holiday: Annotated[Factor, Meta(description="the swing on holidays is times this")] = 1.0
    spread: Annotated[Factor, Meta(le=2, description="how much assets differ; 0.3: a third up or down")] = 0.0
    noise: Annotated[Factor, Meta(description="standard deviation of single readings")] = 0.0
    wander: WanderKey | None = None
    rain: RainKey | None = None
    wind: WindKey | None = None
    state: StateKey | None = None
    counts: Annotated[bool, Meta(description="whole numbers by chance (Poisson) around what is said above")] = False
    digits: Annotated[int, Meta(ge=0, le=6, description="decimals of a reading")] = 2


class SimulateKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How a simulated city fills the pack."""

    assets: Annotated[list[AssetsKey], Meta(description="assets that the city is to have")] = []
    readings: Annotated[list[ReadingsKey], Meta(description="what their sensors say")] = []


@dataclass(frozen=True, slots=True)
class Reading:
    """What the sensors of one property say. Amounts in the datastream's unit; times in ms."""

    pack: str
    property: str
    kinds: tuple[str, ...]
    model: Model | None
    base: float
    swing: float
    rhythm: Rhythm
    day_factor: tuple[float, float, float]  # of the swing on working days, weekends, holidays
    spread: float
    noise: float
    wander: tuple[float, int]  # by, over
    rain: tuple[float, int]  # adds for each mm/h, lags
    wind: float  # adds for each m/s
    state: tuple[float, int, float]  # share, lasts, what is said then
    first_ms: int | None  # after their first word one comes into the state; None: by chance alone
    counts: bool
    digits: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Simulated:
    """The section ``simulate`` of a pack, checked."""

    assets: tuple[AssetsKey, ...] = ()
    readings: tuple[Reading, ...] = ()


def checked(key: SimulateKey, kinds: Collection[str], properties: Sequence[str], faults: Faults) -> None:
    """Tell what is wrong of the section; ``kinds`` and ``properties`` are those that the pack watches."""
    for number, asset in enumerate(key.assets):
        at = f"simulate.assets[{number}]"
        if asset.kind not in kinds:
            faults.add(f"{at}.kind", f'"{asset.kind}" is watched by no datastream{hint(asset.kind, sorted(kinds))}')
        if (asset.count is None) == (asset.per_zone is None):
            faults.add(at, f"{asset.kind}: give count or per_zone, one of the two")
        if (asset.per_zone is not None) != bool(asset.at):
            faults.add(f"{at}.at", f'"{asset.at}": per_zone and at belong together, as in per_zone: 4, at: venue')
        elif asset.at and asset.at not in ZONE_KINDS:
            faults.add(f"{at}.at", f'"{asset.at}" is no kind of zone{hint(asset.at, ZONE_KINDS)}')
    for number, one in enumerate(key.readings):
        at = f"simulate.readings[{number}]"
        if one.property not in properties:
            faults.add(f"{at}.property", f'"{one.property}" is not watched here{hint(one.property, properties)}')
        said = [name for name in ReadingsKey.__struct_fields__ if name not in ("property", "model")]
        more = [name for name in said if getattr(one, name) != getattr(ReadingsKey(property="p"), name)]
        if one.model is not None and more:
            faults.add(f"{at}.{more[0]}", f"model: {one.model} says it all; take out {', '.join(more)}, or the model")


def reading(key: ReadingsKey, pack: str, kinds: tuple[str, ...], bounds: tuple[float, float]) -> Reading:
    """What the sensors say; ``bounds`` are the valid range."""
    return Reading(
        pack=pack,
        property=key.property,
        kinds=kinds,
        model=key.model,
        base=key.base,
        swing=key.swing,
        rhythm=key.rhythm,
        day_factor=(1.0, key.weekend, key.holiday),
        spread=key.spread,
        noise=key.noise,
        wander=(key.wander.by, milliseconds(key.wander.over)) if key.wander else (0.0, 0),
        rain=(key.rain.adds, milliseconds(key.rain.lags)) if key.rain else (0.0, 0),
        wind=key.wind.adds if key.wind else 0.0,
        state=(key.state.share, milliseconds(key.state.lasts), key.state.to) if key.state else (0.0, 0, 0.0),
        first_ms=milliseconds(key.state.first) if key.state and key.state.first is not None else None,
        counts=key.counts,
        digits=key.digits,
        low=bounds[0],
        high=bounds[1],
    )
