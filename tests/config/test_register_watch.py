"""Roles that end when the register has grown."""

from __future__ import annotations

import threading
from pathlib import Path

import polars as pl

from config.register import COLUMNS, Register, save
from config.register_watch import end_when_grown


def register(size: int) -> Register:
    """So many datastreams."""
    texts = {name: [f"{name}-{row}" for row in range(size)] for name, kind in COLUMNS.items() if kind == pl.String()}
    numbers = {name: [0] * size for name, kind in COLUMNS.items() if kind.is_numeric()}
    return Register(pl.DataFrame({**texts, **numbers, "zones": [[]] * size}).select(
        pl.col(name).cast(kind) for name, kind in COLUMNS.items()
    ))  # fmt: skip


def test_a_role_ends_once_when_the_register_has_grown(tmp_path: Path) -> None:
    """Not when it is written anew with as many, and not for one that cannot be read."""
    path, left = tmp_path / "register.parquet", threading.Event()
    save(register(3), path)
    over = end_when_grown(path, 3, left.set, look_s=0.02)
    path.write_bytes(b"broken")
    assert not left.wait(0.2)
    save(register(3), path)
    assert not left.wait(0.2)
    save(register(4), path)
    assert left.wait(30)
    over.set()


def test_the_look_can_be_ended(tmp_path: Path) -> None:
    """Nothing is called afterwards."""
    path, left = tmp_path / "register.parquet", threading.Event()
    save(register(1), path)
    end_when_grown(path, 1, left.set, look_s=0.02).set()
    save(register(2), path)
    assert not left.wait(0.2)
