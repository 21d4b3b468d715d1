"""Who may come in: the bearer token of a request, its signature, and the certificate a proxy has seen."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from sensors.problems import Problem
from sensors.tokens import SIGNED_WITHIN_S, Gateway, Tokens, signature

REALM = 'Bearer realm="citybrain"'
SIGNATURE = b"x-signature"
_SIGNED = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


class Access:
    """The door's keeper: knows the tokens, and which scope a route needs.

    ``certificate_header`` is the header in which the proxy in front tells the SHA-256 of the client's certificate
    (mTLS); empty: there is no such proxy, and a token that is bound to a certificate is refused.
    """

    def __init__(self, tokens: Tokens, certificate_header: str = "") -> None:
        self._tokens = tokens
        self._certificate = certificate_header.lower().encode()

    def admit(self, headers: Mapping[bytes, bytes], scope: str) -> Gateway:
        """The gateway that sends a request with these ``headers`` (names in lower case); raises ``Problem`` 401, or
        403 when it lacks ``scope``."""
        seen = headers.get(self._certificate, b"").decode("latin-1") if self._certificate else ""
        return self.gateway(headers.get(b"authorization", b"").decode("latin-1"), scope, seen)

    def gateway(self, authorization: str, scope: str, certificate: str = "") -> Gateway:
        """The gateway of the ``Authorization`` header; raises ``Problem`` 401, or 403 when it lacks ``scope``.

        ``certificate`` is the SHA-256 of the client's certificate as the proxy tells it, empty without one.
        """
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise _unknown("no bearer token was sent", REALM)
        gateway = self._tokens.verify(token.strip())
        if gateway is None:
            raise _unknown("the token is unknown or has expired", f'{REALM}, error="invalid_token"')
        if gateway.certificate and not hmac.compare_digest(_bare(certificate), gateway.certificate.encode()):
            raise _other_certificate(gateway)
        if not gateway.may(scope):
            raise _lacks(gateway, scope)
        return gateway

    @staticmethod
    def signed(gateway: Gateway, headers: Mapping[bytes, bytes], body: bytes, now: float) -> None:
        """Check the signature of ``body`` (unpacked) where the gateway signs; raises ``Problem`` 401.

        ``now`` is the gateway's clock in seconds since 1970.
        """
        if not gateway.signing_key:
            return
        told = headers.get(SIGNATURE, b"").decode("latin-1")
        match = _SIGNED.fullmatch(told.strip())
        if match is None:
            raise _unsigned(gateway, "the body is not signed", told)
        at = int(match[1])
        if abs(now - at) > SIGNED_WITHIN_S:
            raise _unsigned(gateway, f"the signature is {now - at:.0f} s old, at most {SIGNED_WITHIN_S} s count", told)
        if not hmac.compare_digest(signature(gateway.signing_key, at, body), told.strip()):
            raise _unsigned(gateway, "the signature is not that of this body and this token", told)


def _bare(certificate: str) -> bytes:
    """The fingerprint without its separators, in lower case."""
    return certificate.strip().lower().replace(":", "").encode()


def _unknown(detail: str, challenge: str) -> Problem:
    return Problem(
        status=401,
        kind="unknown-token",
        detail=detail,
        field="Authorization",
        limit="Bearer <token>",
        remedy="send the token that the city's operator issued for this gateway",
        headers={"www-authenticate": challenge},
    )


def _other_certificate(gateway: Gateway) -> Problem:
    return Problem(
        status=401,
        kind="certificate",
        detail=f"the token of {gateway.name} is bound to a client certificate, and this connection has another or none",
        field="client certificate",
        remedy="connect with the certificate that the city's operator registered for this gateway",
        headers={"www-authenticate": f'{REALM}, error="invalid_token"'},
    )


def _lacks(gateway: Gateway, scope: str) -> Problem:
    return Problem(
        status=403,
        kind="scope",
        detail=f"the token of {gateway.name} lacks the scope {scope}",
        field="Authorization",
        value=" ".join(sorted(gateway.scopes)),
        limit=scope,
        remedy="use a token with this scope; the city's operator issues it",
        headers={"www-authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
    )


def _unsigned(gateway: Gateway, detail: str, told: str) -> Problem:
    return Problem(
        status=401,
        kind="signature",
        detail=f"{gateway.name} signs its bodies: {detail}",
        field="X-Signature",
        value=told[:20],
        limit="t=<seconds since 1970>,v1=<64 hexadecimal digits>",
        remedy='sign "<t>." and the body with HMAC-SHA-256 and the key of your token, see docs/gateway.md',
        headers={"www-authenticate": REALM},
    )
