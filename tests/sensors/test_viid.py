"""GA/T 1400 devices at the gateway: digest, register, keepalive, vehicles, on a real broker."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from config import contract
from models import events
from sensors import tokens
from sensors.digest import Digests, answered, parsed, secret
from tests.sensors.rig import NOW, Served, wait_until

DEVICE = "51010000001190000001"
FORMATS = Path(__file__).parents[3] / "shared" / "data" / "formats"


@pytest.fixture
def device(gateway: Served) -> httpx.DigestAuth:
    """A platform that shows its token by digest."""
    path = gateway.settings.secrets / "gateways.json"
    token = tokens.issue(path, "viid-1", by_digest=True)
    assert token not in path.read_text()
    auth = httpx.DigestAuth("viid-1", token)
    wait_until(lambda: register(gateway, auth).status_code == 200, "the gateway knows the token")
    gateway.values(contract.EVENTS)
    return auth


def register(gateway: Served, auth: httpx.DigestAuth) -> httpx.Response:
    """System/Register."""
    return post(gateway, auth, "/VIID/System/Register", {"RegisterObject": {"DeviceID": DEVICE}})


def post(gateway: Served, auth: httpx.Auth, path: str, body: Any) -> httpx.Response:
    """One message by digest; the test client's own bearer token stays out."""
    with httpx.Client(base_url=gateway.http.base_url, trust_env=False) as http:
        headers = {"content-type": "application/VIID+JSON", "user-identify": DEVICE}
        return http.post(path, content=json.dumps(body), auth=auth, headers=headers)


def test_a_device_registers_by_digest_and_is_answered_by_the_standard(
    gateway: Served, device: httpx.DigestAuth
) -> None:
    """ResponseStatus with code 0; the session is an event."""
    answer = post(gateway, device, "/VIID/System/Keepalive", {"KeepaliveObject": {"DeviceID": DEVICE}})
    (status,) = answer.json()["ResponseStatusListObject"]["ResponseStatusObject"]
    assert (answer.status_code, status["StatusCode"], status["Id"]) == (200, 0, DEVICE)
    (event,) = [events.decode(value) for value in gateway.values(contract.EVENTS)]
    assert isinstance(event, events.Other)
    assert event.kind == "session"


def test_without_an_answer_to_the_challenge_nothing_is_taken(gateway: Served) -> None:
    """401 with a digest challenge."""
    with httpx.Client(base_url=gateway.http.base_url, trust_env=False) as http:
        answer = http.post("/VIID/System/Register", json={"RegisterObject": {"DeviceID": DEVICE}})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Digest realm="citybrain", qop="auth", algorithm=MD5')


def test_a_wrong_password_and_a_token_without_digest_are_refused(gateway: Served) -> None:
    """Knowing the name is not enough; gate-7's token may not be shown by digest."""
    for auth in (httpx.DigestAuth("viid-1", "wrong"), httpx.DigestAuth("gate-7", gateway.token)):
        assert register(gateway, auth).status_code == 401


def test_a_broken_message_is_answered_by_the_standard(gateway: Served, device: httpx.DigestAuth) -> None:
    """422 and code 7 with the reason."""
    answer = post(gateway, device, "/VIID/MotorVehicles", {"NothingObject": {}})
    (status,) = answer.json()["ResponseStatusListObject"]["ResponseStatusObject"]
    assert (answer.status_code, status["StatusCode"]) == (422, 7)
    assert "NothingObject" in status["StatusString"]


@pytest.mark.skipif(not FORMATS.is_dir(), reason="needs the real payloads")
def test_real_vehicles_become_events(gateway: Served, device: httpx.DigestAuth) -> None:
    """Each vehicle of a real message is a passage."""
    files = [p for p in sorted(FORMATS.rglob("*.json")) if "MotorVehicleListObject" in p.read_text("utf-8", "replace")]
    assert files
    taken = 0
    for file in files:
        answer = post(gateway, device, "/VIID/MotorVehicles", json.loads(file.read_text("utf-8")))
        taken += answer.status_code == 200
    kinds = [events.decode(value).kind for value in gateway.values(contract.EVENTS)]  # type: ignore[union-attr]  # all others
    assert taken
    assert "passage" in kinds


def test_a_challenge_ages() -> None:
    """It counts for five minutes, and only where it was made."""
    ours, theirs = Digests(), Digests()
    nonce = ours.challenge(NOW).split('nonce="')[1].split('"')[0]
    assert ours.fresh(nonce, NOW + 299)
    assert not ours.fresh(nonce, NOW + 302)
    assert not theirs.fresh(nonce, NOW)
    assert not ours.fresh("", NOW)


@pytest.mark.parametrize(
    "header", ["", "Bearer x", "Digest ", 'Digest username="a", nonce="b"', "Digest " + "x" * 5000]
)
def test_what_is_no_digest_is_none(header: str) -> None:
    """Without an exception."""
    assert parsed(header) is None


def test_the_example_of_the_rfc_is_understood() -> None:
    """RFC 2617, 3.5, with its realm and password in the secret."""
    header = (
        'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", '
        'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    digest = parsed(header)
    assert digest is not None
    ha1 = hashlib.md5(b"Mufasa:testrealm@host.com:Circle Of Life").hexdigest()  # noqa: S324  # the RFC's
    assert answered(digest, "GET", ha1)
    assert not answered(digest, "POST", ha1)
    assert secret("a", "b") != secret("a", "c")
