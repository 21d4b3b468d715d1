"""One connection to an MQTT broker, driven by asyncio: messages in, acknowledgements out when the taker says so.

paho-mqtt speaks the protocol (3.1.1 and 5); its socket is watched by the event loop, so that there are no threads.
A message is acknowledged by hand, once it is safe; what was not is sent again by the broker when the connection or
this process comes back (persistent session). While ``MOST`` messages are being taken, nothing more is read.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

MOST = 20_000  # messages being taken at a time
AT_ONCE = 200  # messages read before others have their turn
SESSION_S = 24 * 3600  # how long a broker (MQTT 5) keeps what was not acknowledged while the door is away
KEEPALIVE_S = 30
MISC_S = 1.0
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 15.0
CONNECT_S = 10.0

log = logging.getLogger(__name__)


class LineError(ValueError):
    """The broker's address cannot be used; the message says how one looks."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an MQTT broker is: ``mqtt://[user:password@]host[:port]``, ``mqtts://`` with TLS."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None

    @classmethod
    def of(cls, url: str) -> Address:
        """The address in ``url``; raises ``LineError``."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == -1:
            shown = url.rpartition("@")[2]
            raise LineError(f"CITYBRAIN_MQTT {shown!r} is no broker; write mqtt://user:password@host:1883 or mqtts://…")
        tls = parts.scheme == "mqtts"
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.hostname, port or (8883 if tls else 1883), tls, user, password)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as it came; ``line.done(arrived)`` acknowledges it."""

    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int
    connection: int  # which connection it came on: an acknowledgement counts on that one alone


class Line:
    """Keeps the connection: subscribes at each connect, comes back by itself after any outage."""

    def __init__(
        self,
        address: Address,
        client_id: str,
        subscriptions: Sequence[tuple[str, int]],
        arrived: Callable[[Arrived], None],
        version: str = "5",
    ) -> None:
        self.address = address
        self.connected = asyncio.Event()
        self._subscriptions = subscriptions
        self._arrived = arrived
        self._version = version
        self._taking = 0
        self._arrivals = 0
        self._number = 0  # of the connection
        self._paused = False
        self._lost = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._client = self._made(client_id)

    async def run(self) -> None:
        """Connect and stay connected, for ever."""
        wait, told = FIRST_RETRY_S, ""
        try:
            while True:
                self._lost.clear()
                try:
                    await self._connect()
                    wait, told = FIRST_RETRY_S, ""
                    await self._serve()
                except (OSError, TimeoutError) as error:
                    if told != (told := repr(error)):
                        log.warning("the MQTT broker at %s:%d: %s", self.address.host, self.address.port, told)
                self.connected.clear()
                await asyncio.sleep(wait)
                wait = min(wait * 2, LAST_RETRY_S)
        finally:
            self._client.disconnect()
            self._client.loop_write()

    def done(self, message: Arrived) -> None:
        """Acknowledge ``message`` to the broker; on another connection it comes again, and that one counts."""
        self._taking -= 1
        if self._paused and self._taking < MOST // 2:
            self._resume()
        if message.qos and message.connection == self._number:
            self._client.ack(message.mid, message.qos)

    # --- the connection ---------------------------------------------------------------------------------------

    def _made(self, client_id: str) -> paho.Client:
        five = self._version == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if five else False,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.username_pw_set(self.address.user, self.address.password)
        if self.address.tls:
            client.tls_set_context(ssl.create_default_context())
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_socket_register_write
        client.on_socket_unregister_write = self._on_socket_unregister_write
        return client

    async def _connect(self) -> None:
        options: dict[str, Any] = {}
        if self._version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
            properties.SessionExpiryInterval = SESSION_S
            properties.ReceiveMaximum = min(MOST, 65_535)
            options = {"clean_start": False, "properties": properties}
        self._client.connect_async(self.address.host, self.address.port, KEEPALIVE_S, **options)
        await asyncio.to_thread(self._client.reconnect) if self.address.tls else self._client.reconnect()
        async with asyncio.timeout(CONNECT_S):
            while not self.connected.is_set():
                if self._lost.is_set():
                    raise ConnectionError("the broker refused the connection or a subscription")
                self._client.loop_misc()
                await asyncio.sleep(0.02)
        log.info("subscribed at the MQTT broker %s:%d", self.address.host, self.address.port)

    async def _serve(self) -> None:
        """Keep the connection alive until it is lost."""
        while not self._lost.is_set():
            self._client.loop_misc()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), MISC_S)
        raise ConnectionError("the connection was lost")

    def _resume(self) -> None:
        self._paused = False
        socket = self._client.socket()
        if socket is not None:
            self._loop.add_reader(socket, self._read)
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        """Read what has come, at most ``AT_ONCE`` messages, so that acknowledgements and the rest have their turn."""
        for _ in range(AT_ONCE):
            before = self._arrivals
            if self._paused or self._lost.is_set():
                return
            self._client.loop_read()  # one packet
            if self._arrivals == before and not self._unpacked():
                return
        self._loop.call_soon(self._read)

    def _unpacked(self) -> int:
        """Bytes that TLS has unpacked already: they make no socket readable."""
        socket = self._client.socket()
        return socket.pending() if isinstance(socket, ssl.SSLSocket) else 0

    # --- what paho calls --------------------------------------------------------------------------------------

    def _on_connect(self, client: paho.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure:
            log.warning("the MQTT broker refuses: %s", reason)
            self._lost.set()
            return
        self._number += 1
        if self._version == "5":
            client.subscribe([(topic, SubscribeOptions(qos=qos)) for topic, qos in self._subscriptions])
        else:
            client.subscribe(list(self._subscriptions))

    def _on_subscribe(self, _: Any, __: Any, ___: int, reasons: Sequence[Any], ____: Any) -> None:
        refused = [topic for (topic, _), reason in zip(self._subscriptions, reasons, strict=False) if reason.is_failure]
        if refused:
            log.error("the MQTT broker refuses the subscriptions %s; look at its access list", refused)
            self._lost.set()
            return
        self.connected.set()

    def _on_disconnect(self, *_: Any) -> None:
        self._lost.set()

    def _on_message(self, _: Any, __: Any, message: paho.MQTTMessage) -> None:
        self._taking += 1
        self._arrivals += 1
        if self._taking >= MOST and not self._paused:
            self._paused = True
            socket = self._client.socket()
            if socket is not None:
                self._loop.remove_reader(socket)
        self._arrived(
            Arrived(message.topic, bytes(message.payload), message.retain, message.mid, message.qos, self._number)
        )

    def _on_socket_open(self, _: Any, __: Any, socket: Any) -> None:
        self._loop.add_reader(socket, self._read)

    def _on_socket_register_write(self, client: paho.Client, _: Any, socket: Any) -> None:
        self._loop.add_writer(socket, client.loop_write)

    def _on_socket_unregister_write(self, _: Any, __: Any, socket: Any) -> None:
        self._loop.remove_writer(socket)

    def _on_socket_close(self, _: Any, __: Any, socket: Any) -> None:
        self._loop.remove_reader(socket)
        self._loop.remove_writer(socket)
