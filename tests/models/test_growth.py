"""A state that outlives the growth of its register."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.batch import Batch, batch
from models.calendar import UTC
from models.engine import Engine
from models.growth import follows, grown
from models.layout import Place
from models.soundness import checks
from models.values import Text
from tests.models import shard

NEW = 20  # the register integer of the datastream that came later


def wider() -> Engine:
    """The shard with one datastream of people more."""
    small = shard.layout()
    made = replace(
        small,
        members=np.append(small.members, np.int32(NEW)),
        group=np.append(small.group, np.int16(0)),
        low=np.append(small.low, 0.0),
        high=np.append(small.high, 1_000.0),
        indptr=np.append(small.indptr, small.indptr[-1] + 1),
        indices=np.append(small.indices, np.int32(0)),
        places=[*small.places, Place("asset-new", Text("New", "新"), 104.0, 30.6, "jinjiang")],
    )
    return Engine(made, shard.RULES, UTC)


def readings(tick: int, members: list[int]) -> Batch:
    """One tick of readings."""
    rng = np.random.default_rng(tick)
    value = 5.0 + rng.poisson(4.0, len(members))
    return batch(np.array(members, np.int32), np.full(len(members), tick * shard.TICK_MS), value.astype(np.float64))


def test_what_was_learned_stays_and_the_new_one_begins() -> None:
    """After growing, old datastreams score as if nothing had happened; the new one is scored in time."""
    old = shard.MEMBERS.tolist()
    before, after = shard.engine(), wider()
    for tick in range(1, 60):
        before.step(readings(tick, old))
    after.restore(before.snapshot())
    for tick in range(60, 80):
        same = before.step(readings(tick, old))
        more = after.step(readings(tick, old))
        assert np.array_equal(same.score, more.score, equal_nan=True)
    assert np.array_equal(before.value, after.value[:-1], equal_nan=True)
    for tick in range(80, 90):
        after.step(readings(tick, [*old, NEW]))
    assert np.isfinite(after.score[-1])


def test_a_grown_state_is_saved_and_restored_bit_for_bit() -> None:
    """Growing once leaves nothing that saving would change."""
    engine = shard.engine()
    engine.step(readings(1, shard.MEMBERS.tolist()))
    one, two = wider(), wider()
    one.restore(engine.snapshot())
    two.restore(one.snapshot())
    saved = two.snapshot()
    assert all(np.array_equal(array, saved[name]) for name, array in one.snapshot().items() if array.dtype.kind != "f")


def test_a_new_pack_takes_nothing_of_what_was_learned() -> None:
    """Whatever its name: groups are in the order of their packs, and what is known of each goes with it."""
    small = shard.layout()
    groups = tuple(replace(group, checks=checks(1_000, True)) for group in small.groups)
    before = Engine(replace(small, groups=groups), shard.RULES, UTC)
    for tick in range(1, 30):
        before.step(readings(tick, shard.MEMBERS.tolist()))
    one = wider().layout
    new = replace(groups[0], pack="another", property="gas")
    number = np.where(small.group < 0, small.group, small.group + 1)
    group = np.append(number, np.int16(0)).astype(np.int16)
    after = Engine(replace(one, groups=(new, *groups), group=group), shard.RULES, UTC)
    after.restore(before.snapshot())
    learned, held = before.snapshot(), after.snapshot()
    names = [name for name in learned if name.startswith(("test/", "upkeep/test/"))]
    assert len(names) > 4
    for name in names:
        assert np.array_equal(learned[name], held[name], equal_nan=learned[name].dtype.kind == "f")


@pytest.mark.parametrize("members", [[2, 3, 5, 7, 8], [2, 3, 5, 7, 8, 11], [1, 2, 3, 5, 7, 8, 11]])
def test_another_register_is_not_taken_for_a_grown_one(members: list[int]) -> None:
    """Fewer, the same, or others before the known ones."""
    assert not follows(shard.MEMBERS, np.array(members, np.int32))


def test_only_rows_grow() -> None:
    """An array with a row for each datastream is widened; one of another meaning is taken as it is."""
    made = grown(
        {"rows": np.ones((3, 2)), "text": np.ones(7), "ticks": np.ones(1)},
        {"rows": np.zeros((5, 2)), "text": np.zeros(4), "ticks": np.zeros(0), "new": np.zeros(5)},
        {(3, 5)},
    )
    assert made["rows"].tolist() == [[1, 1], [1, 1], [1, 1], [0, 0], [0, 0]]
    assert [len(made[name]) for name in ("text", "ticks", "new")] == [7, 1, 5]
