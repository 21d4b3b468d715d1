"""Batches and partials on the wire: what goes in comes out, and garbage is Malformed and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import batch, partials
from models.batch import Malformed
from models.partials import FIELDS, Partial

INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
INSTANT = st.integers(0, 253_402_300_799_999)
readings = st.lists(st.tuples(INT32, INT64, st.floats(), st.integers(0, 255)), max_size=30)


def made(some: list[tuple[int, int, float, int]], source: str = "gw", accepted: int = 7) -> batch.Batch:
    """The readings as a batch."""
    ds, time, value, flags = zip(*some, strict=True) if some else ((), (), (), ())
    return batch.batch(ds, time, value, flags, source, accepted)


def same(one: batch.Batch, other: batch.Batch) -> bool:
    """Equal to the bit, NaN included."""
    columns = all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes()
        for name in ("datastream", "time", "value", "flags")
    )
    return columns and (one.source, one.accepted) == (other.source, other.accepted)


@given(readings, st.text(max_size=20), INSTANT)
def test_a_batch_comes_back_to_the_bit(some: list[tuple[int, int, float, int]], source: str, accepted: int) -> None:
    """Columns, source and result time survive the wire."""
    given = made(some, source, accepted)
    back = batch.decode(batch.encode(given))
    assert same(back, given)
    types = [str(column.dtype) for column in (back.datastream, back.time, back.value, back.flags)]
    assert types == ["int32", "int64", "float64", "uint8"]


def test_decoded_columns_are_views() -> None:
    """Nothing is copied: the columns cannot be written."""
    back = batch.decode(batch.encode(made([(1, 2, 3.0, 4)])))
    assert not back.value.flags.writeable


@given(st.binary(max_size=80))
def test_garbage_is_no_batch(data: bytes) -> None:
    """Any bytes are Malformed, or, by chance, a batch."""
    try:
        assert len(batch.decode(data)) >= 0
    except Malformed as error:
        assert str(error)


@given(readings, st.data())
def test_a_torn_or_twisted_batch_is_malformed_or_one(
    some: list[tuple[int, int, float, int]], data: st.DataObject
) -> None:
    """A batch cut short is Malformed; with one byte changed it is Malformed or has columns of one length."""
    whole = batch.encode(made(some))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Malformed):
        batch.decode(whole[:cut])
    twisted = bytearray(whole)
    twisted[cut] ^= data.draw(st.integers(1, 255))
    try:
        back = batch.decode(bytes(twisted))
    except Malformed:
        return
    assert len(back.datastream) == len(back.time) == len(back.value) == len(back.flags)


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        ([2, "gw", 0, b"", b"", b"", b""], "batch version 2 is unknown; this reader knows version 1"),
        ([1, "gw", 0, b"1234", b"12345678", b"", b"1"], r"columns differ in length: 1.0, \(1.0, 0.0, 1.0\)"),
        ([1, "gw", 0, b"123", b"", b"", b""], "columns differ in length: 0.75"),
        ([1, "gw", 0, b"1234", b"1234567", b"12345678", b"1"], "columns differ in length"),
        ([1, "gw"], "not a batch"),
        ([1, "gw", -1, b"", b"", b"", b""], "not a batch: Expected `int` >= 0"),
        ([1, "gw", 2**64 - 1, b"", b"", b"", b""], "not a batch: Expected `int` <"),
        ({"version": 1}, "not a batch"),
    ],
)
def test_what_is_wrong_is_named(wire: object, says: str) -> None:
    """The message tells version or lengths."""
    with pytest.raises(Malformed, match=says):
        batch.decode(msgspec.msgpack.encode(wire))


@pytest.mark.parametrize("decode", [batch.decode, partials.decode])
def test_texts_that_are_none_and_towers_of_arrays_are_malformed(decode: Callable[[bytes], object]) -> None:
    """Broken UTF-8 and nesting without end are refused like all other garbage."""
    with pytest.raises(Malformed):
        decode(b"\x97\x01\xa1\xff\x00\xc4\x00\xc4\x00\xc4\x00\xc4\x00")
    with pytest.raises(Malformed):
        decode(b"\x98\x01\xa1g\x00\xc4\x00\xc4\x00\xc4\x00\xc4\x00" + b"\x91" * 100_000 + b"\x01")


def test_columns_of_different_lengths_make_no_batch() -> None:
    """A batch is not made of columns that differ."""
    with pytest.raises(Malformed, match="columns differ in length: 2, 1, 2, 2"):
        batch.batch([1, 2], [1], [1.0, 2.0])


def test_batches_one_after_the_other() -> None:
    """Joined batches keep their rows in order, the first source and the oldest result time."""
    first, second = made([(1, 1, 1.0, 0)], "a", 9), made([(2, 2, 2.0, 1), (3, 3, 3.0, 0)], "b", 5)
    assert same(batch.concat([first, second]), made([(1, 1, 1.0, 0), (2, 2, 2.0, 1), (3, 3, 3.0, 0)], "a", 5))
    assert batch.concat([first]) is first
    assert same(second.take(np.array([False, True])), made([(3, 3, 3.0, 0)], "b", 5))


arrays = st.integers(0, 6).flatmap(
    lambda n: st.lists(st.lists(st.floats(), min_size=n, max_size=n), min_size=6, max_size=6)
)


@given(st.integers(0, 1023), INSTANT, INSTANT, arrays)
def test_a_partial_comes_back_to_the_bit(shard: int, tick: int, accepted: int, sums: list[list[float]]) -> None:
    """Shard, tick, result time and the six sums survive the wire."""
    columns: dict[str, Any] = {name: np.array(one, np.float64) for name, one in zip(FIELDS, sums, strict=True)}
    given = Partial(shard, tick, accepted, **columns)
    back = partials.decode(partials.encode(given))
    assert (back.shard, back.tick, back.accepted) == (shard, tick, accepted)
    assert [getattr(back, name).tobytes() for name in FIELDS] == [getattr(given, name).tobytes() for name in FIELDS]


@given(st.binary(max_size=80))
def test_garbage_is_no_partial(data: bytes) -> None:
    """Any bytes are Malformed, or, by chance, a partial."""
    try:
        assert partials.decode(data).shard is not None
    except Malformed as error:
        assert str(error)


@given(st.data())
def test_a_torn_partial_is_malformed(data: st.DataObject) -> None:
    """Cut short at any byte it is refused."""
    sums: dict[str, Any] = {name: np.arange(4.0) for name in FIELDS}
    whole = partials.encode(Partial(1, 2, 3, **sums))
    with pytest.raises(Malformed):
        partials.decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize("bad", [[b"12345678", b"", b"", b"", b"", b""], [b"1234"] * 6])
def test_a_partial_of_different_lengths_is_malformed(bad: list[bytes]) -> None:
    """The six arrays are of one length in whole numbers."""
    with pytest.raises(Malformed, match="arrays differ in length"):
        partials.decode(msgspec.msgpack.encode([1, 2, 3, bad]))
