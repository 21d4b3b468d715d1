"""Snapshots: an engine's state on disk, under the name of the offset it includes everything before.

A snapshot is a ``.npz`` of plain arrays (no pickle), written beside and renamed when it is on the disk: what bears the
name is whole. Any snapshot is right, for the state is a pure function of the log before its offset; the newest is
the quickest to start from.
"""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.durable import sync_folder

Arrays = Mapping[str, NDArray[np.generic]]
KEEP = 2
_NAMES = ".names"  # the array that says which arrays the file has, for a torn directory of a zip can hide one
# what numpy and zipfile raise on bytes that are no sound .npz
BROKEN = (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile)
log = logging.getLogger(__name__)


class Torn(ValueError):
    """The file is readable, but not whole."""


def write(folder: Path, offset: int, arrays: Arrays) -> None:
    """Save ``arrays`` as the state after all messages before ``offset``; on disk when this returns."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{offset:020d}.npz"
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays, **{_NAMES: np.array(sorted(arrays))})
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(folder)
    kept = offsets(folder)[-KEEP:]
    for old in folder.iterdir():  # also what crashes left half written
        if old.suffix in (".npz", ".part") and old.stem.isdigit() and int(old.stem) < kept[0]:
            old.unlink(missing_ok=True)


def offsets(folder: Path) -> list[int]:
    """The offsets of the snapshots in ``folder``, ascending."""
    return sorted(int(path.stem) for path in folder.glob("*.npz") if path.stem.isdigit())


def newest(folder: Path, below: int | None = None) -> tuple[int, Arrays] | None:
    """The newest sound snapshot (offset, arrays), at most ``below`` if given; None when there is none.

    A torn file (of a disk that lied) is named in the log and the one before it is taken.
    """
    for offset in reversed(offsets(folder)):
        if below is not None and offset > below:
            log.warning("snapshot %s/%d lies beyond the log's end %d: left aside", folder.name, offset, below)
            continue
        path = folder / f"{offset:020d}.npz"
        try:
            return offset, _read(path)
        except BROKEN as error:
            log.error("snapshot %s cannot be read (%s): the one before it is taken", path, error)
    return None


def _read(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    names = arrays.pop(_NAMES).tolist()
    if sorted(arrays) != names:
        raise Torn(f"it holds {sorted(arrays)}, not {names}")
    return arrays
