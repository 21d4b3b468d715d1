"""Snapshots: the newest sound one is taken, torn ones are passed over, old ones go."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streams import snapshots

ARRAYS: dict[str, NDArray[Any]] = {
    "people/cells": np.arange(6, dtype=np.float32).reshape(2, 3),
    "counts": np.array([7], np.int64),
}


def write(folder: Path, *offsets: int) -> None:
    """Snapshots at these offsets, each knowing its own."""
    for offset in offsets:
        snapshots.write(folder, offset, {**ARRAYS, "offset": np.array([offset])})


def newest(folder: Path, below: int | None = None) -> int | None:
    """The offset of the snapshot that is taken."""
    found = snapshots.newest(folder, below)
    if found is None:
        return None
    offset, arrays = found
    assert arrays["offset"].tolist() == [offset]
    return offset


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Names, types, shapes and bytes come back."""
    snapshots.write(tmp_path / "shard-0", 12, ARRAYS)
    found = snapshots.newest(tmp_path / "shard-0")
    assert found is not None
    offset, arrays = found
    assert offset == 12
    assert {name: (a.dtype, a.tolist()) for name, a in arrays.items()} == {
        name: (a.dtype, a.tolist()) for name, a in ARRAYS.items()
    }


def test_no_folder_no_snapshot(tmp_path: Path) -> None:
    """Where nothing was saved there is nothing to start from."""
    assert snapshots.newest(tmp_path / "none") is None
    assert snapshots.offsets(tmp_path / "none") == []


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    """Older ones, and what crashes left half written before them, go; other files stay."""
    write(tmp_path, 5)
    (tmp_path / "00000000000000000003.part").write_bytes(b"half")
    (tmp_path / "00000000000000000099.part").write_bytes(b"another process is writing")
    (tmp_path / "poison.json").write_text("{}")
    write(tmp_path, 10, 20)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "00000000000000000010.npz",
        "00000000000000000020.npz",
        "00000000000000000099.part",
        "poison.json",
    ]
    assert newest(tmp_path) == 20


def test_one_beyond_the_logs_end_is_left_aside(tmp_path: Path) -> None:
    """After a loss of the log a snapshot from its future is not taken."""
    write(tmp_path, 10, 20)
    assert newest(tmp_path, below=20) == 20
    assert newest(tmp_path, below=19) == 10
    assert newest(tmp_path, below=9) is None


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _garbled(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)


def _text(path: Path) -> None:
    path.write_text("not a zip")


def _bare(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, offset=np.array([20]))


@pytest.mark.parametrize("harm", [_cut, _emptied, _garbled, _text, _bare])
def test_a_torn_one_is_passed_over(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """The one before it is taken."""
    write(tmp_path, 10, 20)
    harm(tmp_path / "00000000000000000020.npz")
    assert newest(tmp_path) == 10


def test_no_flipped_bit_is_taken_for_a_state(tmp_path: Path) -> None:
    """Flip any bit of a snapshot: it is passed over, or what is read is what was written."""
    snapshots.write(tmp_path, 1, ARRAYS)
    path = tmp_path / "00000000000000000001.npz"
    whole = path.read_bytes()
    passed = 0
    for at in range(0, len(whole) * 8, 23):
        twisted = bytearray(whole)
        twisted[at // 8] ^= 1 << at % 8
        path.write_bytes(twisted)
        found = snapshots.newest(tmp_path)
        if found is None:
            passed += 1
            continue
        assert {name: a.tobytes() for name, a in found[1].items()} == {n: a.tobytes() for n, a in ARRAYS.items()}
    assert passed > 80


@pytest.mark.parametrize("function", ["replace", "fsync", "savez"])
def test_a_crash_while_writing_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    """What does not bear its name yet is not there."""
    write(tmp_path, 10)
    owner = {"replace": Path, "fsync": os, "savez": np}[function]

    def gone(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, function, gone)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, 20)
    assert newest(tmp_path) == 10
    write(tmp_path, 20)
    assert newest(tmp_path) == 20
