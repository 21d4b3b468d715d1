"""Files that are written whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

from config.durable import write_secret, write_whole


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Nothing but the new text is left, in any letters."""
    path = tmp_path / "plan.json"
    write_whole(path, "much longer than what comes")
    write_whole(path, "预案")
    assert path.read_text(encoding="utf-8") == "预案"
    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Also its new folder, and where an attempt that all can read was left behind."""
    path = tmp_path / "secrets" / "users.json"
    write_secret(path, b"{}")
    left = path.with_name("users.json.part")
    left.write_text("left behind")
    left.chmod(0o666)
    write_secret(path, b"{1}")
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)]
    assert (path.read_bytes(), modes, left.exists()) == (b"{1}", [0o600, 0o700], False)
