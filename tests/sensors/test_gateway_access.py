"""What a token may: assets and kinds, its own rate, signed bodies, client certificates, revocation, silence in logs."""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from typing import Any

import httpx
import msgspec
import pytest

from config import contract
from sensors import tokens
from sensors.gateway.private import words
from tests.sensors.conftest import Start
from tests.sensors.rig import NOW, NOW_MS, Served, points, reading, wait_until

FINGERPRINT = "ab" * 32
CAP = b"""<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>w-1</identifier><sender>met</sender>
<sent>2026-10-01T08:00:00+08:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope>
<info><category>Met</category><event>Rain</event><urgency>Immediate</urgency><severity>Severe</severity>
<certainty>Observed</certainty><area><areaDesc>All</areaDesc><circle>30.66,104.06 5</circle></area></info></alert>"""


def issued(gateway: Served, name: str, **rights: Any) -> dict[str, str]:
    """The headers of a new token; returns when the gateway knows it."""
    token = tokens.issue(gateway.settings.secrets / "gateways.json", name, **rights)
    headers = {"authorization": f"Bearer {token}"}
    seen = {"x-cert": FINGERPRINT} if rights.get("certificate") else {}
    wait_until(
        lambda: "unknown or has expired" not in gateway.post([], **headers, **seen).text, "the gateway knows the token"
    )
    return headers


def test_a_token_speaks_for_its_assets_and_kinds_only(gateway: Served) -> None:
    """Readings of other assets are refused by name and dead-lettered; its own beside them are taken."""
    headers = issued(gateway, "gate-north", assets=("cam-00",), kinds=("camera",))
    gauge = {"datastream": "gauge-1/level", "time": NOW_MS, "value": 1.0}
    answer = gateway.post([reading(3), reading(12), gauge], **headers)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    errors = answer.json()["errors"]
    assert [(e["index"], e["code"], e["value"]) for e in errors] == [
        (1, "scope", "cam-012/people"),
        (2, "scope", "gauge-1/level"),
    ]
    assert points(gateway.readings()) == [(3, NOW_MS, 12.0)]
    assert [letter.source for letter in gateway.dead_letters()] == ["gate-north"] * 2


def vehicle(device: str, plate: str = "川A·7K456") -> dict[str, object]:
    return {
        "MotorVehicleID": f"{device}-{plate[-1]}",
        "DeviceID": device,
        "PassTime": "20261001080000",
        "PlateNo": plate,
    }


def test_a_token_tells_events_of_its_assets_and_kinds_only(gateway: Served) -> None:
    """A passage at another's camera is refused and dead-lettered; so is a warning, which is of no asset."""
    headers = issued(gateway, "gate-events", assets=("cam-00",), kinds=("camera",))
    rows = [vehicle("cam-003"), vehicle("cam-012"), vehicle("cam-00x")]
    body = {"MotorVehicleListObject": {"MotorVehicleObject": rows}}
    answer = gateway.http.post("/v1/ingest/gat1400", json=body, headers=headers)
    errors = [(e["index"], e["code"], e["value"]) for e in answer.json()["errors"]]
    assert errors == [(1, "scope", "cam-012"), (2, "scope", "cam-00x")]
    assert [msgspec.json.decode(value)["event"]["asset"] for value in gateway.values(contract.EVENTS)] == ["cam-003"]
    warned = gateway.http.post("/v1/cap", content=CAP, headers=headers)
    assert (warned.status_code, "which is of no asset" in warned.text) == (422, True)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("川A·7K456占道", "川A*****占道"),
        ("粤BD12345 停在盲道", "粤B***** 停在盲道"),
        ("京a12345和沪C6789挂", "京a*****和沪C*****"),
        ("京津冀A级预警，川A区", "京津冀A级预警，川A区"),
        ("ZK 12345", "ZK 12345"),
    ],
)
def test_plates_in_texts_are_masked(text: str, kept: str) -> None:
    """Of ordinary, of electric cars and of trailers; other words stay."""
    assert words(text) == kept


def test_a_passage_is_kept_without_its_plate(gateway: Served) -> None:
    """Its region stays, on the topic of events as everywhere after it."""
    body = {"MotorVehicleListObject": {"MotorVehicleObject": [vehicle("cam-001"), vehicle("cam-002", "ABC123")]}}
    assert gateway.http.post("/v1/ingest/gat1400", json=body).status_code == 202
    told = [msgspec.json.decode(value)["event"]["plate"] for value in gateway.values(contract.EVENTS)]
    assert told == ["川A*****", "AB*****"]


def test_a_token_may_have_a_rate_of_its_own(gateway: Served) -> None:
    """The token's rate holds in place of the setting's, and no other token feels it."""
    headers = issued(gateway, "gate-slow", rate=10)
    assert gateway.post([reading(row) for row in range(10)], **headers).status_code == 202
    answer = gateway.post([reading(row) for row in range(10)], **headers)
    assert (answer.status_code, answer.json()["limit"]) == (429, 10)
    assert gateway.post([reading(row) for row in range(10)]).status_code == 202


def test_a_signed_body_is_taken_and_a_changed_one_is_not(gateway: Served) -> None:
    """With a signing key, only a body that bears its signature of these minutes counts."""
    path = gateway.settings.secrets / "gateways.json"
    headers = issued(gateway, "gate-signs", signed=True)
    key = tokens.signing_key(headers["authorization"].removeprefix("Bearer "))
    assert key in path.read_text()
    body = json.dumps([reading(0)]).encode()
    good = tokens.signature(key, int(NOW), body)

    def post(content: bytes, told: str) -> httpx.Response:
        return gateway.post(content, **headers, **({"x-signature": told} if told else {}))

    assert post(body, good).status_code == 202
    refused = {
        "none": post(body, ""),
        "of another body": post(body.replace(b"12.0", b"13.0"), good),
        "old": post(body, tokens.signature(key, int(NOW) - 301, body)),
        "by another key": post(body, tokens.signature("0" * 64, int(NOW), body)),
        "no signature": post(body, "t=1,v1=xyz"),
    }
    assert {why: (r.status_code, r.json()["type"]) for why, r in refused.items()} == dict.fromkeys(
        refused, (401, "urn:citybrain:problem:signature")
    )


def test_a_token_bound_to_a_certificate_needs_it(start: Start) -> None:
    """The proxy's header tells the client certificate; without such a proxy the token is refused."""
    behind = start(certificate_header="X-Cert")
    headers = issued(behind, "gate-mtls", certificate=FINGERPRINT)
    assert behind.post([reading(0)], **headers, **{"x-cert": "AB:" * 31 + "AB"}).status_code == 202
    assert behind.post([reading(0)], **headers, **{"x-cert": "cd" * 32}).status_code == 401
    assert behind.post([reading(0)], **headers).status_code == 401


def test_without_a_proxy_no_header_passes_for_a_certificate(gateway: Served) -> None:
    """A sender cannot name its own certificate where the setting names no header."""
    token = tokens.issue(gateway.settings.secrets / "gateways.json", "gate-liar", certificate=FINGERPRINT)
    headers = {"authorization": f"Bearer {token}", "x-cert": FINGERPRINT}
    wait_until(
        lambda: gateway.post([reading(0)], **headers).json()["type"].endswith("certificate"), "the certificate is asked"
    )


def test_a_revoked_token_is_refused_within_five_seconds(gateway: Served) -> None:
    """Revocation needs no restart."""
    headers = issued(gateway, "gate-gone")
    tokens.revoke(gateway.settings.secrets / "gateways.json", "gate-gone")
    began = time.monotonic()
    wait_until(lambda: gateway.post([reading(0)], **headers).status_code == 401, "refused", within_s=30)
    assert time.monotonic() - began < 5


def test_a_rotated_token_leaves_no_gap(gateway: Served) -> None:
    """The new token has the old one's rights; both count until the overlap has passed."""
    path = gateway.settings.secrets / "gateways.json"
    old = issued(gateway, "gate-turn", assets=("cam-00",))
    new = {"authorization": f"Bearer {tokens.rotate(path, 'gate-turn', dt.timedelta(seconds=0))}"}
    wait_until(lambda: gateway.post([reading(0)], **new).status_code == 202, "the new one counts")
    assert gateway.post([reading(12)], **new).status_code == 422
    ended = tokens.Tokens(path, lambda: NOW * 10).verify(old["authorization"].removeprefix("Bearer "))
    assert ended is None
    with pytest.raises(tokens.TokensError, match="gate-nobody has no valid token"):
        tokens.rotate(path, "gate-nobody", dt.timedelta(days=1))


def test_no_token_is_in_any_log(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Neither good nor bad tokens nor signatures are written down, at the finest level of logging."""
    with caplog.at_level(logging.DEBUG):
        gateway = start()
        secret = gateway.token
        gateway.post([reading(0)])
        gateway.post([reading(0)], authorization="Bearer cb_not-a-token-of-ours")
        gateway.post(b"{broken", authorization=f"Basic {secret}")
    own = [r.getMessage() for r in caplog.records if not r.name.startswith(("httpcore", "httpx"))]
    assert own
    assert [line for line in own if secret in line or "cb_not-a-token" in line] == []
    assert all(secret not in letter.reason for letter in gateway.dead_letters())
