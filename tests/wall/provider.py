"""A small OpenID Connect provider on 127.0.0.1: discovery, keys, the code flow with PKCE, signed tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

CLIENT, SECRET = "citybrain", "a secret / with % signs"
Claims = dict[str, Any]


class IdentityProvider:
    """``with IdentityProvider() as provider``: everybody who comes is ``person``, whose token ``spoil`` may change."""

    def __init__(self) -> None:
        self._first = self.key("first")
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self.reset()

    def reset(self) -> None:
        """As it should be: one person, one key, addresses of its own."""
        self.person: Claims = {"sub": "42", "preferred_username": "李敏", "groups": ["duty"]}
        self.spoil: Callable[[Claims], Claims] = lambda claims: claims
        self.signer = self._first
        self.published = [self.signer]
        self.header: dict[str, str] = {"alg": "ES256", "kid": "first"}
        self.asked: list[str] = []
        self.described: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }

    @staticmethod
    def key(kid: str) -> ECKey:
        """A fresh key to sign with."""
        return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})

    def __enter__(self) -> IdentityProvider:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def authorize(self, given: dict[str, str]) -> str:
        """Where the browser is sent back to: the person has logged in."""
        assert given["client_id"] == CLIENT
        assert given["response_type"] == "code"
        assert given["code_challenge_method"] == "S256"
        assert "openid" in given["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = given
        return f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state'], 'iss': self.issuer})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, Claims]:
        """Status and body of the exchange of a code, which counts once."""
        begun = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proved = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        named = base64.b64encode(f"{CLIENT}:{'a%20secret%20%2F%20with%20%25%20signs'}".encode()).decode()
        if authorization != f"Basic {named}":
            return 401, {"error": "invalid_client"}
        if begun is None or begun["code_challenge"] != proved or begun["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": begun["nonce"]}
        signed = self.sign(self.spoil({**claims, **self.person}))
        return 200, {"access_token": "none", "token_type": "Bearer", "id_token": signed}

    def sign(self, claims: Claims) -> str:
        """The claims as a token."""
        if self.header["alg"] == "none":
            parts = (base64.urlsafe_b64encode(json.dumps(it).encode()).rstrip(b"=") for it in (self.header, claims))
            return b".".join(parts).decode() + "."
        return jwt.encode(self.header, claims, self.signer, algorithms=[self.header["alg"]])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                provider.asked.append(parts.path)
                if parts.path == "/.well-known/openid-configuration":
                    self._answer(200, provider.described)
                elif parts.path == "/keys":
                    self._answer(200, KeySet(list(provider.published)).as_dict(private=False))
                elif parts.path == "/authorize":
                    self.send_response(302)
                    given = {name: values[0] for name, values in parse_qs(parts.query).items()}
                    self.send_header("location", provider.authorize(given))
                    self.end_headers()
                else:
                    self._answer(404, {})

            def do_POST(self) -> None:
                provider.asked.append(self.path)
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self._answer(*provider.token(form, self.headers.get("authorization", "")))

            def _answer(self, status: int, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                return

        return Handler
