"""Gateways that a broker has told to be offline: a last will is a data-quality alert until the birth comes.

Which gateways are offline since when is kept in a small file, so that the alert that opened is the one that clears,
also after a restart of the door.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from models.values import Detection, Text, alert_id

PACK, RULE = "gateways", "GatewayOffline"


class Offline:
    """Turns births and last wills into detections; ``where`` (lon, lat) is shown for gateways, which have no place."""

    def __init__(self, file: Path, where: tuple[float, float]) -> None:
        self._file = file
        self._where = where
        self._since: dict[str, int] = {}
        if file.exists():
            self._since = msgspec.json.decode(file.read_bytes(), type=dict[str, int])

    def heard(self, gateway: str, online: bool, now: int) -> Detection | None:
        """What follows from a status message that came at ``now`` (ms); None when it says nothing new."""
        since = self._since.get(gateway)
        if online == (since is None):
            return None
        onset = now if since is None else since
        if online:
            del self._since[gateway]
        else:
            self._since[gateway] = onset
        self._write()
        return self._detection(gateway, onset, now, online)

    def _detection(self, gateway: str, onset: int, now: int, online: bool) -> Detection:
        lon, lat = self._where
        return Detection(
            id=alert_id(PACK, RULE, gateway, onset),
            pack=PACK,
            rule=RULE,
            place=f"gateway-{gateway}",
            place_kind="asset",
            place_name=Text(en=f"Gateway {gateway}", zh=f"网关 {gateway}"),
            lon=lon,
            lat=lat,
            district="",
            state="cleared" if online else "firing",
            kind="data-quality",
            severity="Minor",
            onset=onset,
            time=now,
            value=None,
            expected=None,
            score=None,
            unit="",
            headline=Text(
                en=f"Gateway {gateway} is offline: its broker published its last will",
                zh=f"网关 {gateway} 离线：代理已发布其遗嘱消息",
            ),
            labels={"gateway": gateway},
        )

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(self._since))
        part.replace(self._file)


def online(payload: bytes) -> bool | None:
    """Whether a status message says online; None when it says neither online nor offline.

    Understood are the words ``online`` and ``offline``, 1 and 0, true and false, and ``{"status": …}`` or
    ``{"online": …}`` with them.
    """
    text = payload[:1000].decode("utf-8", "replace").strip()
    if text.startswith("{"):
        try:
            members = msgspec.json.decode(text, type=dict[str, object])
        except msgspec.DecodeError:
            return None
        text = str(members.get("status", members.get("online", "")))
    return {"online": True, "1": True, "true": True, "offline": False, "0": False, "false": False}.get(text.lower())
