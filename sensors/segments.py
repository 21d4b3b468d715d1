"""A log on disk: records appended to segment files, read from the front, segments deleted once read.

A record is its length and a CRC-32 over length and bytes (both uint32 little-endian), then the bytes. An offset
counts bytes since the log began; a segment is named for the offset of its first byte. What a crash left half written
is cut off when the log is opened; bytes that fail their check anywhere else are set aside in ``*.damaged``, and what
follows in that segment with them.
"""

from __future__ import annotations

import logging
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from config.durable import sync_folder
from config.locks import HeldError, hold

HEADER = struct.Struct("<II")
POSITION = struct.Struct("<QI")
SUFFIX = ".log"

log = logging.getLogger(__name__)


class LogError(OSError):
    """The log cannot be used; the message says which file and what to do."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record; ``end`` is the offset behind it, to give to ``Log.drop``."""

    body: bytes
    end: int


def frame(body: bytes) -> bytes:
    """The record's bytes in the file. An empty body is refused: zeros left by a crash would pass for it."""
    if not body:
        raise ValueError("a record of 0 bytes cannot be told from a torn tail; write at least 1 byte")
    length = struct.pack("<I", len(body))
    return length + struct.pack("<I", zlib.crc32(body, zlib.crc32(length))) + body


def frames(data: bytes) -> Iterator[bytes]:
    """The bodies of the whole and undamaged records from the front of ``data``."""
    at = 0
    while at + HEADER.size <= len(data):
        length, check = HEADER.unpack_from(data, at)
        body = data[at + HEADER.size : at + HEADER.size + length]
        if not length or len(body) < length or zlib.crc32(body, zlib.crc32(data[at : at + 4])) != check:
            return
        yield body
        at += HEADER.size + length


class Log:
    """The log in ``folder``, for one process and one thread at a time.

    ``segment`` is the size in bytes at which a new file is begun. ``end`` is the offset behind the last record,
    ``position`` that of the first one not yet dropped, ``size`` the bytes on disk; any thread may read them.
    """

    def __init__(self, folder: Path, segment: int = 64 * 1024 * 1024) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._segment = segment
        self._lock = _lock(folder)
        self._sizes: dict[int, int] = {}  # start → bytes of whole records, oldest first
        self._file: FileIO | None = None
        self._position_file = os.open(folder / "position", os.O_RDWR | os.O_CREAT, 0o600)
        self._recover()

    @property
    def empty(self) -> bool:
        """Whether every record was dropped."""
        return self.position == self.end

    def append(self, data: bytes) -> None:
        """Write framed records (``frame``) and wait until they are on the disk.

        After an ``OSError`` none of them is in the log.
        """
        start, file = self._active(len(data))
        try:
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]  # an unbuffered write may take a part only
            os.fdatasync(file.fileno())
        except OSError:
            self._undo(start, file)
            raise
        self._sizes[start] += len(data)
        self.size += len(data)
        self.end = start + self._sizes[start]

    def read(self, limit: int) -> list[Record]:
        """The oldest records not yet dropped, about ``limit`` bytes of them, from one segment."""
        for start, size in self._sizes.items():
            if start <= self.position < start + size:
                return self._read(start, size, limit)
        return []

    def drop(self, end: int) -> None:
        """Forget every record before the offset ``end`` and delete the segments that held no others.

        The new position is written but not waited for: after a power cut some records may come once more.
        """
        self.position = self._next(end)
        if self.empty and self._file is not None:
            self._file.close()
            self._file = None
        active = next(reversed(self._sizes), None) if self._file is not None else None
        for start, size in list(self._sizes.items()):
            if start + size <= self.position and start != active:
                self._path(start).unlink(missing_ok=True)
                del self._sizes[start]
        self.size = sum(self._sizes.values())
        self._save_position()

    def close(self) -> None:
        """Close the files; the log can be opened again."""
        if self._file is not None:
            self._file.close()
        os.close(self._position_file)
        os.close(self._lock)

    def _next(self, offset: int) -> int:
        """The offset of the first record at or behind ``offset``; a segment may have lost its tail."""
        for start, size in self._sizes.items():
            if offset < start + size:
                return max(offset, start)
        return self.end

    def _path(self, start: int) -> Path:
        return self._folder / f"{start:020d}{SUFFIX}"

    def _active(self, room: int) -> tuple[int, FileIO]:
        start = next(reversed(self._sizes), None)
        if self._file is not None and start is not None and self._sizes[start] + room <= self._segment:
            return start, self._file
        if self._file is not None:
            self._file.close()
        self._file = self._path(self.end).open("ab", buffering=0)
        self._sizes[self.end] = 0
        sync_folder(self._folder)
        return self.end, self._file

    def _undo(self, start: int, file: FileIO) -> None:
        try:
            os.ftruncate(file.fileno(), self._sizes[start])
        except OSError as error:
            raise LogError(f"{self._path(start)} can be neither written nor cut: {error}; mend the disk") from error

    def _read(self, start: int, size: int, limit: int) -> list[Record]:
        with self._path(start).open("rb") as file:
            file.seek(self.position - start)
            left = start + size - self.position
            data = file.read(min(max(limit, HEADER.size), left))
            if len(data) >= HEADER.size:  # at least one record, however long
                data += file.read(max(0, min(left, HEADER.unpack_from(data)[0] + HEADER.size) - len(data)))
        records, end = [], self.position
        for body in frames(data):
            end += HEADER.size + len(body)
            records.append(Record(body, end))
        if not records:
            raise LogError(
                f"{self._path(start)} is damaged at byte {self.position - start}; start again to set it aside"
            )
        return records

    def _recover(self) -> None:
        starts = sorted(int(path.stem) for path in self._folder.glob(f"*{SUFFIX}"))
        for start in starts:
            size = self._whole(start, last=start == starts[-1])
            if size:
                self._sizes[start] = size
            else:
                self._path(start).unlink()
        saved = self._saved_position()
        self.end = max((start + size for start, size in self._sizes.items()), default=saved)
        self.drop(saved)

    def _whole(self, start: int, last: bool) -> int:
        """Bytes of whole records in the segment; what follows them is cut off."""
        path = self._path(start)
        data = path.read_bytes()
        size = sum(HEADER.size + len(body) for body in frames(data))
        if size < len(data):
            log.warning(
                "%s: the last %d of %d bytes are no whole record and are cut", path, len(data) - size, len(data)
            )
            if not last:
                path.with_suffix(".damaged").write_bytes(data[size:])
            os.truncate(path, size)
        return size

    def _saved_position(self) -> int:
        data = os.pread(self._position_file, POSITION.size, 0)
        if len(data) < POSITION.size:
            return 0
        position, check = POSITION.unpack(data)
        return int(position) if zlib.crc32(data[:8]) == check else 0

    def _save_position(self) -> None:
        offset = struct.pack("<Q", self.position)
        os.pwrite(self._position_file, offset + struct.pack("<I", zlib.crc32(offset)), 0)


def total(bodies: Sequence[bytes]) -> int:
    """Bytes that ``bodies`` take in the log."""
    return sum(HEADER.size + len(body) for body in bodies)


def _lock(folder: Path) -> int:
    try:
        return hold(folder / "lock")
    except HeldError as error:
        raise LogError(
            f"{folder} is in use by another gateway, process {error.holder}; stop it or set another CITYBRAIN_DATA"
        ) from None
