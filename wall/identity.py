"""Which wall answers at an address: so that nobody takes another city's, or another folder's, for one's own."""

from __future__ import annotations

import hashlib
import hmac

from config.settings import Settings
from wall.accounts import session_key

MARK = 12  # hexadecimal digits


def mark(settings: Settings) -> str:
    """The same for all who share the city's data folder, and for nobody else; it tells a stranger nothing."""
    key = session_key(settings.secrets / "session.key")
    return hmac.new(key, f"wall of {settings.city}".encode(), hashlib.sha256).hexdigest()[:MARK]
