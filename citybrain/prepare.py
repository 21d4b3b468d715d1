"""What has to be there before a city can run: its register, its topics, its secrets, what its detectors know.

Every step looks first and does only what is missing, so each role may call it.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import polars as pl
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from citybrain.replay import states
from config import city as cities
from config import contract, event_setup, locks, packs_reload, places, register
from config.city import City
from config.contract import Topic
from config.settings import Settings
from config.site import Site
from models.batch import Batch
from sensors.simulate import appeals
from sensors.simulate import chengdu as simulator
from sensors.simulate.sites import sites
from streams import snapshots

log = logging.getLogger(__name__)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
APPEAL_DAYS = 2  # from which the scan of appeals learns what is usual
APPEAL_BACK_DAYS = 12  # appeals so old may be answered in them
DAYS_OF_A_KIND = 2
RECENT_S = 180
Progress = Callable[[str, float], None]  # what is done, and the share of it that is (0-1)


class PrepareError(RuntimeError):
    """The city cannot be prepared; the message says what is missing and what to do."""


def alone(settings: Settings) -> AbstractContextManager[None]:
    """Hold the city's lock: two roles that start at once must not both make the register."""
    return locks.alone(settings.home / "lock")


def make_register(settings: Settings) -> None:
    """Make what the city is registered with: its datastreams, and the places that warnings reach.

    The register comes from the pack's assets, or from its simulator's; what is new in them is appended.
    """
    city = cities.load(settings.city)  # first, so that an unknown city leaves no folder
    with alone(settings):
        _register(settings, city)
        _places(settings, city)


def _register(settings: Settings, city: City) -> None:
    watched = [one for loaded in packs_reload.in_force(settings) for one in loaded.watched]
    assets = _assets(city)
    if settings.register.exists():
        held = register.load(settings.register)
        made, rejects = register.extend(register.rezone(held, city), city, assets, watched)
        if made.frame.equals(held.frame):
            return
        log.info("register: %d datastreams appended, zones placed anew", len(made) - len(held))
    else:
        made, rejects = register.build(city, assets, watched)
        log.info("register: %d datastreams in %d shards", len(made), made.shards)
    for reject in rejects[:10]:
        log.info("register: %s", reject)
    if len(rejects) > 10:
        log.info("register: and %d more were left out", len(rejects) - 10)
    register.save(made, settings.register)


def _places(settings: Settings, city: City) -> None:
    """The places of a city that simulates them; a city of one's own names its file."""
    path = settings.home / places.FILE
    if city.place_file is None and is_simulated(city) and not path.exists():
        part = path.with_suffix(".part")
        sites(city).write_csv(part)
        part.replace(path)


def _assets(city: City) -> pl.DataFrame:
    own = city.assets()
    if own.height:
        return own
    if is_simulated(city):
        return simulator.assets(city)
    raise PrepareError(f"city {city.id} has no assets; name a file under assets: in config/cities/{city.id}/city.yaml")


def is_simulated(city: City) -> bool:
    """Whether the city has no assets of its own but a simulator that declares them (feed.yaml)."""
    return city.asset_file is None and (city.folder / "feed.yaml").exists()


def make_topics(kafka: str, city: str, shards: int) -> None:
    """Create the city's topics that do not exist; raises ``PrepareError`` when the broker cannot be asked."""
    try:
        admin = KafkaAdminClient(bootstrap_servers=kafka.split(","), client_id="citybrain-prepare")
    except KafkaError as error:
        raise PrepareError(f"no broker answers at {kafka}: {error}; check CITYBRAIN_KAFKA") from error
    try:
        there = set(admin.list_topics())
        missing = [topic for topic in contract.TOPICS if topic.of(city) not in there]
        if missing:
            try:
                admin.create_topics([_declared(topic, city, shards) for topic in missing])
            except TopicAlreadyExistsError:
                log.info("the topics were made by another role meanwhile")
    except KafkaError as error:
        raise PrepareError(f"the topics of {city} cannot be made on {kafka}: {error}") from error
    finally:
        admin.close()


def _declared(topic: Topic, city: str, shards: int) -> NewTopic:
    config = {"max.message.bytes": "4194304"}
    if topic.compact:
        config["cleanup.policy"] = "compact"
    else:
        config["retention.ms"] = str(topic.retention_hours * 3_600_000)
    return NewTopic(
        name=topic.of(city),
        num_partitions=topic.partitions or shards,
        replication_factor=-1,  # the broker's default
        topic_configs=config,
    )


def warm_up(site: Site, progress: Progress) -> None:
    """Teach the detectors of a simulated city what came before its first reading.

    Datastreams learn hourly samples of the last days of each kind, and with the zones the last minutes as they came.
    The states are saved as those of offset 0. A city that brings its own past (a feed with a warm-up) or has run
    before is left as it is.
    """
    folders = [site.settings.state / f"shard-{shard}" for shard in range(site.register.shards)]
    if any(snapshots.offsets(folder) for folder in folders) or not is_simulated(site.city):
        return
    learners = site.layouts.silent()
    engines = [learners.engine(shard) for shard in range(site.register.shards)]
    city = learners.city_engine()
    now = int(time.time() * 1000) // 5_000 * 5_000
    hour = now // HOUR_MS * HOUR_MS
    past = simulator.simulated(site.city, site.register, now)
    ends = days(site.city, hour - HOUR_MS)
    batches = itertools.chain.from_iterable(simulator.history(past, end, 1, HOUR_MS // 1000) for end in ends)
    for done, batch in enumerate(batches):
        engines[_shard(site, batch)].step(_in_order(batch))
        progress("teaching the detectors their last days", done / (len(ends) * 24 * len(engines)))
    for done, batch in enumerate(simulator.recent(past, now, RECENT_S)):
        for partial in engines[_shard(site, batch)].step(_in_order(batch)).partials:
            city.step(partial)
        progress("teaching the zones their last minutes", done * 5 / RECENT_S / len(engines))
    for folder, engine in zip(folders, engines, strict=True):
        engine.graduate()
        snapshots.write(folder, 0, engine.snapshot())
    city.graduate()
    snapshots.write(site.settings.state / "city", 0, city.snapshot())
    states.keep(site.settings)


def begin_events(site: Site, progress: Progress) -> None:
    """Give the events of a simulated city the appeals of its last days; what was saved before is left as it is."""
    folder = site.settings.state / "events"
    if snapshots.offsets(folder) or not appeals.declares(site.city):
        return
    progress("reading the appeals of the last days", 0.0)
    now = int(time.time() * 1000)
    engine = event_setup.engine(site)
    engine.learn(appeals.hotline(site.city).between(now - APPEAL_DAYS * DAY_MS, now, APPEAL_BACK_DAYS))
    snapshots.write(folder, 0, engine.snapshot())


def days(city: City, before: int) -> list[int]:
    """The ends (ms) of the spans of 24 hours to learn from, ascending: the last two of each kind in two weeks."""
    ends = [before - back * 24 * HOUR_MS for back in range(14)]
    kinds = city.calendar.day_kind(city.calendar.local(np.array(ends) - 12 * HOUR_MS)).tolist()
    return sorted(end for at, end in enumerate(ends) if kinds[:at].count(kinds[at]) < DAYS_OF_A_KIND)


def _shard(site: Site, batch: Batch) -> int:
    """The shard of a batch of history, which is of one shard."""
    return int(site.register.shard[batch.datastream[0]])


def _in_order(batch: Batch) -> Batch:
    """The batch in the register's order: the engine walks through its memory once, four times as fast."""
    return batch.take(np.argsort(batch.datastream, kind="stable"))


def scored(site: Site) -> int:
    """How many readings the saved states have scored since the city began."""
    total = 0
    for shard in range(site.register.shards):
        saved = snapshots.newest(site.settings.state / f"shard-{shard}")
        if saved is not None:
            total += int(np.asarray(saved[1]["counts"])[0])
    return total
