"""Who may come in: the bearer token of a request."""

from __future__ import annotations

from sensors.problems import Problem
from sensors.tokens import Gateway, Tokens

REALM = 'Bearer realm="citybrain"'


class Access:
    """The door's keeper: knows the tokens, and which scope a route needs."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def gateway(self, authorization: str, scope: str) -> Gateway:
        """The gateway of the ``Authorization`` header; raises ``Problem`` 401, or 403 when it lacks ``scope``."""
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise _unknown("no bearer token was sent", REALM)
        gateway = self._tokens.verify(token.strip())
        if gateway is None:
            raise _unknown("the token is unknown or has expired", f'{REALM}, error="invalid_token"')
        if not gateway.may(scope):
            raise Problem(
                status=403,
                kind="scope",
                detail=f"the token of {gateway.name} lacks the scope {scope}",
                field="Authorization",
                value=" ".join(sorted(gateway.scopes)),
                limit=scope,
                remedy="use a token with this scope; the city's operator issues it",
                headers={"www-authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
            )
        return gateway


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
