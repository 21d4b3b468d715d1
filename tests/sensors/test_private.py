"""Personal data in what is refused: masked before it is kept, and still good to be sent again."""

from __future__ import annotations

import time

import msgspec
import pytest

from sensors.gateway import private
from sensors.gateway.gather import letter


@pytest.mark.parametrize(
    ("came", "kept"),
    [
        ('{"PlateNo":"川A12345"}'.encode(), '{"PlateNo":"川A*****"}'.encode()),
        ('{"PlateNo": "川AD12345", "x": 1}'.encode(), '{"PlateNo": "川A******", "x": 1}'.encode()),
        (b'{"PlateNo":"\\u5ddd' + b'A12345"}', b'{"PlateNo":"\\u5ddd' + b'A*****"}'),
        ('{"PlateNo":"川A1234挂"}'.encode(), '{"PlateNo":"川A*******"}'.encode()),
        (b'{"plate_number": "AB123CD"}', b'{"plate_number": "AB*****"}'),
        ('{"description":"车牌川A·12345占道"}'.encode(), '{"description":"车牌川A*******占道"}'.encode()),
        (
            b'<tt:PlateNumber Likelihood="0.9">AB123CD</tt:PlateNumber>',
            b'<tt:PlateNumber Likelihood="0.9">AB*****</tt:PlateNumber>',
        ),
        ("川A12345".encode("gb18030"), "川A".encode("gb18030") + b"*****"),
        (b"\x0a\x05" + "川B54321".encode() + b"\x00\xff", b"\x0a\x05" + "川B".encode() + b"*****\x00\xff"),
        (b"service_code=1&phone=13800001111&email=a@b.c", b"service_code=1&phone=***********&email=*****"),
        (
            b'{"first_name": "Li", "description": "light is out"}',
            b'{"first_name": "**", "description": "light is out"}',
        ),
        (b'{"datastream": "cam-00417/people", "value": "12"}', b'{"datastream": "cam-00417/people", "value": "12"}'),
        (b"", b""),
    ],
)
def test_what_is_kept_holds_no_plate_and_no_writer(came: bytes, kept: bytes) -> None:
    """Byte for byte as long as it came; masked a second time it stays as it is."""
    assert private.body(came) == kept
    assert len(kept) == len(came)
    assert private.body(kept) == kept


def test_a_dead_letter_is_masked_with_its_reason_and_stays_json() -> None:
    """So that it can be sent again."""
    row = '{"DeviceID":"51010000001320000001","PlateNo":"川A12345","PassTime":"soon"}'.encode()
    kept = letter(
        "gw", 1, "MotorVehicleObjectList[0] 川A12345: PassTime is no time", "PassTime", row, "application/json"
    )
    assert msgspec.json.decode(kept.body) == {
        "DeviceID": "51010000001320000001", "PlateNo": "川A*****", "PassTime": "soon"
    }  # fmt: skip
    assert kept.reason == "MotorVehicleObjectList[0] 川A*****: PassTime is no time"


def test_a_large_body_is_masked_in_a_moment() -> None:
    """No pattern goes back and forth over it, which takes half a minute."""
    began = time.process_time()
    for data in (b"a" * 65_536, b'{"plate":"' * 6_000, b"<plate " * 9_000, "川A".encode() * 16_000):
        assert len(private.body(data)) == len(data)
    assert time.process_time() - began < 8
