"""``/VIID``: the paths of GA/T 1400.4 on which platforms and devices register, keep alive and push what they saw.

Every message is shown by digest or bearer token and answered with the standard's ResponseStatus. Vehicles, devices
and sessions become events (models/events.py) once the broker has them or the disk holds them.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from sensors.codecs.gat1400 import CODEC, answer
from sensors.digest import Digests, answered, parsed
from sensors.gateway.access import Access
from sensors.gateway.body import Bodies
from sensors.gateway.reception import Receipt, Reception
from sensors.problems import Problem
from sensors.tokens import READINGS, Gateway, Tokens

MEDIA = "application/VIID+JSON"
IDENTITY = b"user-identify"  # the header in which a device says who it is
PATHS = {
    "/VIID/System/Register": "A platform or device registers",
    "/VIID/System/UnRegister": "It leaves",
    "/VIID/System/Keepalive": "It is still there",
    "/VIID/MotorVehicles": "Vehicles that passed",
    "/VIID/APEs": "Collecting devices",
    "/VIID/APEStatus": "Whether devices are online",
    "/VIID/SubscribeNotifications": "What was subscribed to elsewhere",
}
DONE, BUSY, INVALID = 0, 2, 7  # StatusCode of GA/T 1400.4


@dataclass(frozen=True, slots=True)
class Viid:
    """Takes the messages in."""

    access: Access
    tokens: Tokens
    digests: Digests
    bodies: Bodies
    reception: Reception

    async def take(self, request: Request) -> Response:
        """One message, answered as the standard has it; raises ``Problem`` 401 and 403."""
        headers = dict(request.scope["headers"])
        gateway = self._admitted(request)
        self.reception.admit(gateway)
        data = await self.bodies.read(request.receive, headers)
        asset = headers.get(IDENTITY, b"").decode("latin-1")[:100]
        envelope = self.reception.envelope(gateway, asset=asset)
        try:
            receipt = await self.reception.take(gateway, CODEC, MEDIA, data, envelope)
        except Problem as problem:
            if problem.status == 401:
                raise
            code = BUSY if problem.status in (429, 503) else INVALID
            body = answer(request.url.path, [asset], envelope.now, code, problem.detail)
            return Response(body, problem.status, headers=dict(problem.headers), media_type=MEDIA)
        return Response(_told(request.url.path, asset, envelope.now, receipt), 200, media_type=MEDIA)

    def _admitted(self, request: Request) -> Gateway:
        header = request.headers.get("authorization", "")
        if header.lower().startswith("bearer"):
            return self.access.admit(dict(request.scope["headers"]), READINGS)
        now = self.reception.clock()
        digest = parsed(header)
        if digest is None:
            raise self._challenge(now, "no answer to a digest challenge was sent")
        known = [one for one in self.tokens.named(digest.username) if one.digest and one.may(READINGS)]
        right = [one for one in known if answered(digest, request.method, one.digest)]
        if not right:
            raise self._challenge(now, "the user is unknown, or the answer is not that of its token")
        if not self.digests.fresh(digest.nonce, now):
            raise self._challenge(now, "the challenge is too old", stale=True)
        if digest.uri.partition("?")[0] != request.url.path:
            raise self._challenge(now, "the answer is for another path")
        return right[0]

    def _challenge(self, now: float, detail: str, stale: bool = False) -> Problem:
        return Problem(
            status=401,
            kind="digest",
            detail=detail,
            field="Authorization",
            remedy="answer the challenge with a token that was issued with --digest",
            headers={"www-authenticate": self.digests.challenge(now, stale)},
        )


def _told(path: str, asset: str, now: int, receipt: Receipt) -> bytes:
    if not receipt.faults:
        return answer(path, [asset], now)
    first = receipt.faults[0].reason
    text = f"{receipt.events} taken, {len(receipt.faults)} refused; the first: {first}"
    return answer(path, [asset], now, INVALID, text)


def router(viid: Viid) -> APIRouter:
    """The routes of PATHS."""
    routes = APIRouter(tags=["GA/T 1400"])
    for path, summary in PATHS.items():
        routes.add_api_route(path, viid.take, methods=["POST"], summary=summary, name=path.rpartition("/")[2])
    return routes
