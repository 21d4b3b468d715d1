"""The part of the archive that lies in an object store: whole files of days that are over, under the same names.

``s3://bucket/prefix`` is ``CITYBRAIN_ARCHIVE_S3``; keys, region and endpoint are the standard ``AWS_*`` variables.
Files are below ``<prefix>/<city>/<topic>/day=YYYY-MM-DD/``. A store that cannot be reached loses nothing: a file leaves
the folder only after its bytes were read back from the store.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlparse

import pyarrow.fs as fs
import pyarrow.parquet as pq

from citybrain.archive.files import ArchiveError
from config.settings import Settings
from streams import archive_files
from streams.archive_files import Part
from wall.replay.notice import Notice, notice

LISTED_S = 60.0  # a listing is believed for so long; a file stays in the folder for longer after it was copied
CONNECT_S, REQUEST_S = 5.0, 30.0
CHUNK = 1 << 20
UNFINISHED = ".part"  # ends the name of what is being copied; readers pass over it
_SIGNS = (  # what is found in the store's answer, and the notice that says what it means and what to do
    (("NO_SUCH_BUCKET", "NoSuchBucket"), "store-bucket"),
    (
        ("ACCESS_DENIED", "INVALID_ACCESS_KEY", "SIGNATURE", "InvalidAccessKeyId", "HTTP response code: 403"),
        "store-keys",
    ),
    (("NETWORK_CONNECTION", "curlCode", "timed out"), "store-silent"),
)


class StoreError(ArchiveError):
    """The object store cannot do what was asked; the message, which is ``notice`` in English, names it, why, and the
    remedy."""

    def __init__(self, told: Notice) -> None:
        super().__init__(told.words("en"))
        self.notice = told


@dataclass(frozen=True, slots=True)
class StoredPart(Part):
    """A file in the store; ``path`` is the one below the city's prefix."""

    store: Store

    @property
    def named(self) -> str:
        """Its URL."""
        return f"{self.store.url}/{self.path}"

    @property
    def away(self) -> bool:
        """It is."""
        return True

    def open(self, footer: pq.FileMetaData | None = None) -> pq.ParquetFile:
        """Open it; what is asked for is read by ranges."""
        return pq.ParquetFile(self.store.source(self.path), metadata=footer, pre_buffer=True)


class Store:
    """The archive of one city below ``url``."""

    def __init__(self, url: str, city: str) -> None:
        parsed = urlparse(url)
        if parsed.scheme != "s3" or not parsed.netloc:
            raise StoreError(notice("store-none", value=repr(url)))
        self.url = f"{url.rstrip('/')}/{city}"
        self._bucket = parsed.netloc
        self._root = "/".join(part for part in (parsed.netloc, parsed.path.strip("/"), city) if part)
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        self._files = fs.S3FileSystem(
            endpoint_override=endpoint or None,
            connect_timeout=CONNECT_S,
            request_timeout=REQUEST_S,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=2),
            background_writes=False,
            allow_delayed_open=True,  # a small file is one request
        )
        self._listed: dict[str, tuple[float, list[Part] | StoreError]] = {}

    @classmethod
    def of(cls, settings: Settings) -> Store | None:
        """The store that is declared; None where none is. Raises ``StoreError`` for one that is none."""
        return cls(settings.archive_s3, settings.city) if settings.archive_s3 else None

    def topics(self) -> list[str]:
        """The topics that have files here; raises ``StoreError``."""
        found = self._below(fs.FileSelector(self._root, allow_not_found=True))
        return sorted(one.base_name for one in found if one.type == fs.FileType.Directory)

    def parts(self, topic: str) -> list[Part]:
        """A topic's files here; what was answered, be it an error, is believed for ``LISTED_S``. Raises
        ``StoreError``."""
        at, known = self._listed.get(topic, (-LISTED_S, []))
        if time.monotonic() - at > LISTED_S:
            try:
                known = self._list(topic)
            except StoreError as error:
                known = error
            self._listed[topic] = time.monotonic(), known
        if isinstance(known, StoreError):
            raise known
        return list(known)

    def _list(self, topic: str) -> list[Part]:
        selector = fs.FileSelector(f"{self._root}/{topic}", recursive=True, allow_not_found=True)
        files = (one for one in self._below(selector) if one.type == fs.FileType.File)
        found = (archive_files.part(Path(one.path).relative_to(self._root)) for one in files)
        return [
            StoredPart(one.path, one.partition, one.first, one.next, one.number, one.of, self)
            for one in found
            if one is not None
        ]

    def source(self, path: Path) -> object:
        """The file's bytes, read where they are asked for."""
        return self._files.open_input_file(f"{self._root}/{path}")

    # --- what the mover does ------------------------------------------------------------------------------------

    def put(self, topic: str, part: Part) -> None:
        """Copy a file of the folder here; it is seen whole or not at all. Raises ``StoreError``.

        An upload in parts that fails halfway is closed as if it were whole, so it gets its name only afterwards.
        """
        name = self._at(topic, part)
        try:
            with part.path.open("rb") as source, self._files.open_output_stream(name + UNFINISHED) as target:
                while chunk := source.read(CHUNK):
                    target.write(chunk)
            self._files.move(name + UNFINISHED, name)
        except OSError as error:
            self._raise(error)
        self._listed.pop(topic, None)

    def holds(self, topic: str, part: Part) -> bool:
        """Whether the very bytes of a file of the folder are here, by reading them back. Raises ``StoreError``."""
        info = self._info([self._at(topic, part)])[0]
        if info.type != fs.FileType.File or info.size != part.path.stat().st_size:
            return False
        try:
            with part.path.open("rb") as one, self._files.open_input_stream(self._at(topic, part)) as two:
                while chunk := one.read(CHUNK):
                    if chunk != two.read(len(chunk)):
                        return False
        except OSError as error:
            self._raise(error)
        return True

    def remove(self, topic: str, day: str) -> None:
        """Take a day of a topic away; raises ``StoreError``."""
        try:
            self._files.delete_dir(f"{self._root}/{topic}/day={day}")
        except OSError as error:
            self._raise(error)
        self._listed.pop(topic, None)

    def _at(self, topic: str, part: Part) -> str:
        return f"{self._root}/{topic}/day={part.day}/{part.path.name}"

    def _below(self, asked: fs.FileSelector) -> list[fs.FileInfo]:
        """What lies below a folder; an empty one is told from a bucket that is not there."""
        found = self._info(asked)
        if not found and self._info([self._bucket])[0].type == fs.FileType.NotFound:
            self._raise(OSError("NO_SUCH_BUCKET"))
        return found

    def _info(self, asked: fs.FileSelector | list[str]) -> list[fs.FileInfo]:
        try:
            found: list[fs.FileInfo] = self._files.get_file_info(asked)
        except OSError as error:
            self._raise(error)
        return found

    def _raise(self, error: OSError) -> NoReturn:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        key = next((key for signs, key in _SIGNS if any(sign in said for sign in signs)), "")
        raise StoreError(notice(key, url=self.url) if key else notice("store-other", url=self.url, why=said)) from error
