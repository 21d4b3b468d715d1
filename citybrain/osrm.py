"""Driving times from an OSRM server, as a ``Travel`` for dispatch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


class OsrmError(RuntimeError):
    """The router does not answer, or not as OSRM does; the message says what to do."""


@dataclass(frozen=True)
class Osrm:
    """OSRM's table service at ``address``, such as ``http://osrm:5000``.

    ``table_size`` is the server's --max-table-size: the most places in one request; larger tables are asked for in
    blocks. Raises ``OsrmError`` when there is no usable answer; dispatch may then go by ``geo.travel.GreatCircle``.
    """

    address: str
    profile: str = "driving"
    table_size: int = 100
    timeout_s: float = 2.0

    def seconds(self, from_lon: Float64, from_lat: Float64, to_lon: Float64, to_lat: Float64) -> Float64:
        """(from, to) driving time in seconds; infinite where OSRM finds no way."""
        half = max(self.table_size // 2, 1)
        out = np.empty((len(from_lon), len(to_lon)))
        with httpx.Client(base_url=self.address, timeout=self.timeout_s) as client:
            for a in range(0, len(from_lon), half):
                for b in range(0, len(to_lon), half):
                    start, end = slice(a, a + half), slice(b, b + half)
                    out[start, end] = self._block(client, from_lon[start], from_lat[start], to_lon[end], to_lat[end])
        return out

    def _block(
        self, client: httpx.Client, from_lon: Float64, from_lat: Float64, to_lon: Float64, to_lat: Float64
    ) -> Any:
        many, total = len(from_lon), len(from_lon) + len(to_lon)
        places = zip(np.append(from_lon, to_lon).tolist(), np.append(from_lat, to_lat).tolist(), strict=True)
        path = f"/table/v1/{self.profile}/" + ";".join(f"{lon:.6f},{lat:.6f}" for lon, lat in places)
        asked = {
            "sources": ";".join(map(str, range(many))),
            "destinations": ";".join(map(str, range(many, total))),
            "annotations": "duration",
        }
        try:
            answer = client.get(path, params=asked)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise OsrmError(
                f"no route table from {self.address}: {error or type(error).__name__}; is OSRM up?"
            ) from error
        if told.get("code") != "Ok":
            says = told.get("message") or told.get("code") or answer.status_code
            raise OsrmError(f"{self.address} refuses a table of {total} places: {says}; see --max-table-size")
        return np.array([[np.inf if time is None else time for time in row] for row in told["durations"]], np.float64)
