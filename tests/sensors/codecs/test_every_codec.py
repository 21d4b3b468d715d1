"""What every codec promises, over the whole register: its own error and no other, bounded memory, nothing changed."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.codecs.base import Codec, Decoded, Envelope
from sensors.codecs.errors import TooMany, Unreadable
from sensors.codecs.register import CODECS, named, of_file, of_media
from sensors.codecs.sparkplug_session import Session
from sensors.codecs.values import Observation, line
from tests.sensors.codecs.samples import CAP, ONVIF, SAMPLES, Sample

IDS = [f"{sample.codec}-{sample.form}" for sample in SAMPLES]
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
each_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=list(CODECS))
XML = ("cap", "onvif", "open311", "senml")
MEGABYTES = 2**20
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
odd = st.recursive(
    scalars, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=6), one, max_size=3)
)


def decoded(sample: Sample, body: bytes, **more: Any) -> Decoded | None:
    """What ``body`` decodes to, checked for sense; ``None`` where it is refused as a whole with a reason."""
    codec, envelope = CODECS[sample.codec], sample.envelope(**more)
    mapping = copy.deepcopy(envelope.mapping)
    try:
        found = codec.decode(body, envelope)
    except Unreadable as error:
        assert len(str(error)) > 8
        msgspec.json.encode([error.field, error.value, error.limit, error.position, error.record])
        quickly(codec, body, sample, more)
        return None
    finally:
        assert envelope.mapping == mapping
    sensible(found)
    if codec.columns is not None:
        columns = codec.columns(body, envelope)
        assert columns.count == found.count
        lengths = {len(columns.datastream), len(columns.time), len(columns.value), len(columns.index)}
        assert lengths == {len(columns)}
    return found


def quickly(codec: Codec, body: bytes, sample: Sample, more: dict[str, Any]) -> None:
    """Try the quick way, where there is one; it passes over more of what it does not read, and raises nothing else."""
    if codec.columns is not None:
        with suppress(Unreadable):
            codec.columns(body, sample.envelope(**more))


def sensible(found: Decoded) -> None:
    """Every value can be written and every fault told, each with a record that there is."""
    assert len(found.values) == len(found.records)
    for value in found.values:
        json.loads(line(value))
        if isinstance(value, Observation) and isinstance(value.value, float):
            assert np.isfinite(value.value)
            assert abs(value.time) <= 2**53
    for fault in found.faults:
        assert 0 <= fault.index < max(found.count, 1)
        assert len(fault.reason) > 8
        msgspec.json.encode(fault)
        assert isinstance(found.text(fault.index), bytes)


@each_codec
def test_every_codec_has_a_sample(codec: Codec) -> None:
    """A codec comes with a message to try it on, and with what it is recognised by."""
    assert codec.name in {sample.codec for sample in SAMPLES}
    assert codec.title
    assert codec.media
    assert codec.endings
    assert named(codec.name) is codec
    assert codec in of_file(f"x{codec.endings[0]}")
    assert codec in of_media(f"{codec.media[0]}; charset=utf-8")


@each_sample
def test_the_sample_decodes_without_faults(sample: Sample) -> None:
    """A good message gives values and no faults."""
    found = decoded(sample, sample.body)
    assert found is not None
    assert found.faults == []
    assert len(found.values) >= 2


@each_sample
def test_a_message_cut_anywhere_is_read_or_refused(sample: Sample) -> None:
    """Cut after any byte, a message gives values, faults or the codec's own error."""
    for length in range(len(sample.body)):
        decoded(sample, sample.body[:length], session=Session())


@each_sample
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n\t ",
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"null",
        b"[]",
        b"{}",
        b"[null]",
        b'[{"":null}]',
        b'"text"',
        b"1e400",
        b"<a/>",
        b"<a xmlns='b'>&amp;</a>",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"<a>" * 100_000,
        b"\x81" * 100_000,
        b"\x12" * 100_000,
        b"," * 100_000,
        b'"' * 100_001,
        b"9" * 100_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_message_is_refused_or_empty(sample: Sample, body: bytes) -> None:
    """Nothing, nonsense and nesting without end are the codec's own error at most."""
    decoded(sample, body)


@each_sample
def test_the_wrong_encoding_is_no_surprise(sample: Sample) -> None:
    """The same text as UTF-16, UTF-32, GB 18030 or with a mark at its beginning is read or refused."""
    try:
        text = sample.body.decode()
    except UnicodeDecodeError:
        text = sample.body.decode("latin-1")
    for encoding in ("utf-16", "utf-16-le", "utf-32", "gb18030", "utf-7"):
        decoded(sample, text.encode(encoding))


@each_sample
def test_a_byte_order_mark_changes_nothing(sample: Sample) -> None:
    """A text with a byte order mark at its beginning means what it means without."""
    if sample.form in ("cbor", "stream", "birth") and sample.codec in ("senml", "arrow", "sparkplug"):
        pytest.skip("not a text")
    plain, marked = decoded(sample, sample.body), decoded(sample, b"\xef\xbb\xbf" + sample.body)
    assert plain is not None
    assert marked is not None
    assert marked.values == plain.values


@each_sample
def test_huge_numbers_are_told_not_followed(sample: Sample) -> None:
    """Each digit of a message made a number of 400 digits gives values, faults or a refusal, at once."""
    for place, byte in enumerate(sample.body):
        if chr(byte).isdigit():
            body = sample.body[:place] + b"9" * 400 + sample.body[place + 1 :]
            decoded(sample, body)


@each_sample
def test_more_records_than_the_limit_are_refused(sample: Sample) -> None:
    """Two records where one may come are too many."""
    if sample.codec == "onvif" or (sample.codec, sample.form) == ("sparkplug", "birth"):
        pytest.skip("the limit of its samples is met otherwise")
    with pytest.raises(TooMany):
        CODECS[sample.codec].decode(sample.body, sample.envelope(limit=1))


@each_sample
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_bytes_changed_anywhere_raise_the_codecs_own_error_only(sample: Sample, data: st.DataObject) -> None:
    """A message with some bytes changed, lost or put in gives values, faults or the codec's own error."""
    body = bytearray(sample.body)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body)))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    decoded(sample, bytes(body), session=Session())


@each_sample
@given(body=st.binary(max_size=300))
@settings(max_examples=30, deadline=None)
def test_any_bytes_raise_the_codecs_own_error_only(sample: Sample, body: bytes) -> None:
    """Bytes of any kind give values, faults or the codec's own error."""
    decoded(sample, body, session=Session())


@pytest.mark.parametrize(
    "sample", [one for one in SAMPLES if one.body[:1] in b"{["], ids=lambda one: f"{one.codec}-{one.form}"
)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_members_of_any_kind_raise_the_codecs_own_error_only(sample: Sample, data: st.DataObject) -> None:
    """A message in which members hold what they should not gives values, faults or the codec's own error."""
    if b"\n" in sample.body:
        rows = [json.loads(row) for row in sample.body.split(b"\n")]
        body = b"\n".join(json.dumps(changed(row, data)).encode() for row in rows)
    else:
        body = json.dumps(changed(json.loads(sample.body), data)).encode()
    decoded(sample, body, session=Session())


def changed(value: Any, data: st.DataObject) -> Any:
    """``value`` with one thing in it, at any depth, changed for something odd."""
    paths = list(places(value))
    path = data.draw(st.sampled_from(paths))
    if not path:
        return data.draw(odd)
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = data.draw(odd)
    return value


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in ``value``."""
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from places(inner, (*path, step))


# --- hostile bodies ---------------------------------------------------------------------------------------------

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l0 "lol">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    + "]><alert><identifier>&l11;</identifier></alert>"
)
ENTITY = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><alert><sender>&x;</sender></alert>'
)
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><alert/>'


@pytest.mark.parametrize("name", XML)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("text", [BOMB, ENTITY, OUTSIDE], ids=["bomb", "entity", "outside"])
def test_an_xml_bomb_and_outside_entities_are_refused_at_once(name: str, text: str, encoding: str) -> None:
    """Entities are refused by name within 50 ms, in whatever encoding they come."""
    sample = next(one for one in SAMPLES if one.codec == name)
    body = text.encode(encoding)
    start = time.perf_counter()
    with pytest.raises(Unreadable, match="DOCTYPE"):
        CODECS[name].decode(body, sample.envelope())
    assert time.perf_counter() - start < 0.05


ENDLESS = "9" * 500_000 + "x"


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("csv", f"datastream,time,value\na,2026-09-01T08:00:00Z,{ENDLESS}\n"),
        ("csv", f"datastream,time,value\na,{ENDLESS},1\n"),
        ("onvif", f'<Frame UtcTime="{ENDLESS}"/>'),
        ("onvif", ONVIF.replace("-0.5", ENDLESS)),
        ("cap", CAP.replace("30.6,104.0", ENDLESS)),
        ("cap", CAP.replace("Orange", f"<b{ENDLESS}")),
        ("senml", f'<sensml xmlns="urn:ietf:params:xml:ns:senml"><senml n="a" v="{ENDLESS}"/></sensml>'),
        ("open311", f'[{{"service_request_id":"1","requested_datetime":"2026-09-01T08:00:00Z","lat":"{ENDLESS}"}}]'),
        ("gat1400", f'{{"MotorVehicleListObject":{{"MotorVehicleObject":[{{"PassTime":"{ENDLESS}"}}]}}}}'),
        (
            "sensorthings",
            f'{{"result":1,"phenomenonTime":"{ENDLESS}","Datastream":{{"@iot.id":"Datastreams({ENDLESS}"}}}}',
        ),
    ],
    ids=lambda value: value[:40],
)
def test_texts_without_end_take_no_time(codec: str, text: str) -> None:
    """Half a million digits where a number, a time or a name should be are refused within a second."""
    sample = next(one for one in SAMPLES if one.codec == codec)
    start = time.perf_counter()
    try:
        found = CODECS[codec].decode(text.encode(), Envelope(now=sample.envelope().now))
        assert found.faults
        assert max(len(fault.reason) for fault in found.faults) < 2_000
    except Unreadable as error:
        assert len(str(error)) < 2_000
    assert time.perf_counter() - start < 1


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "empty arrays": lambda size: b"[" + b"[]," * (size // 3) + b"[]]",
    "empty objects": lambda size: b"[" + b"{}," * (size // 3) + b"{}]",
    "objects in a member": lambda size: b'{"value":[' + b"{}," * (size // 3) + b"{}]}",
    "small numbers": lambda size: b"[" + b"1," * (size // 2) + b"1]",
    "lines": lambda size: b"{}\n" * (size // 3),
    "tags": lambda size: b"<alert>" + b"<a/>" * (size // 4) + b"</alert>",
    "attributes": lambda size: b"<a " + b" ".join(b'a%d=""' % n for n in range(size // 12)) + b"/>",
    "CBOR arrays": lambda size: b"\x9a" + (size).to_bytes(4, "big") + b"\x80" * size,
    "CBOR promise": lambda size: b"\x9a\xff\xff\xff\xff" + b"\xf6" * size,
    "protobuf metrics": lambda size: b"\x12\x00" * (size // 2),
    "protobuf properties": lambda size: _nested_properties(size),
    "delimiters": lambda size: b"a,b\n" + b"," * size,
    "short rows": lambda size: b"datastream,time,value\n" + b"a\n" * (size // 2),
}


def _nested_properties(size: int) -> bytes:
    inner = b"\x12\x00" * (size // 2)
    metric = b"\x4a" + _varint(len(inner)) + inner
    return b"\x12" + _varint(len(metric)) + metric


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@pytest.mark.skipif(not CLEAR.exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize("what", HOSTILE)
def test_memory_stays_bounded(what: str) -> None:
    """No body of 2 MB makes any codec take more than 160 MB."""
    body = HOSTILE[what](2 * MEGABYTES)
    for sample in {one.codec: one for one in reversed(SAMPLES)}.values():
        before = resident("VmRSS")
        CLEAR.write_text("5")  # the peak is measured from here
        try:
            CODECS[sample.codec].decode(body, sample.envelope())
        except Unreadable as error:
            assert str(error)
        taken = resident("VmHWM") - before
        assert taken < 160, f"{sample.codec} took {taken:.0f} MB"


def resident(line: str) -> float:
    """Memory of this process in MB: ``VmRSS`` now, ``VmHWM`` at most."""
    found = next(one for one in STATUS.read_text().splitlines() if one.startswith(line))
    return int(found.split()[1]) / 1024
