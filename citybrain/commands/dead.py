"""``citybrain dead``: input that could not be used; listed, shown, and sent again once its cause is mended.

Letters are read from the topic while a broker answers, and from the archive as well: it keeps them longer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from citybrain import kept_messages
from citybrain.dead_doors import READINGS, ROWS, door
from citybrain.kept_messages import NothingKept
from config import contract, register
from config.settings import Settings
from models import batch as batches
from models.batch import Malformed
from models.values import DeadLetter, from_json
from sensors import tokens

ANSWER_S = 15.0
OWN_TOKEN = timedelta(minutes=5)  # how long a token that a replay makes itself is good at most
_WIDEST = 100  # characters of a reason in the list


class DeadError(RuntimeError):
    """The letters cannot be read, or this one cannot be sent again; the message says why and what to do."""


# --- the three commands -----------------------------------------------------------------------------------------


def show_list(settings: Settings, limit: int, as_json: bool, brief: bool = False) -> int:
    """The newest ``limit`` letters, one a line; exit code 0. As JSON they have their bodies, unless ``brief``."""
    if limit < 1:
        raise DeadError(f"--limit {limit} is below 1; ask for at least one letter")
    found: list[DeadLetter] = []
    for letter in letters(settings):
        found.append(letter)
        if len(found) == limit:
            break
    if as_json:
        print(json.dumps({"letters": [_told(letter, brief) for letter in found]}, ensure_ascii=False))
        return 0
    for letter in found:
        print(f"{letter.id}  {_moment(letter.at)}  {letter.source:<24}  {_cut(letter.reason)}")
    if not found:
        print(f"no dead letters in {settings.city}", file=sys.stderr)
    return 0


def show(settings: Settings, letter: str, as_json: bool = False) -> int:
    """One letter with its bytes; exit code 0."""
    found = find(settings, letter)
    if as_json:
        print(json.dumps(_told(found), ensure_ascii=False))
        return 0
    for name, value in _told(found).items():
        print(f"{name:<8}{value}")
    return 0


def replay(settings: Settings, letter: str, token: str | None, as_json: bool = False) -> int:
    """Send the letter to the gateway's door for what it holds and print the answers; 0 when all was accepted.

    Without a ``token`` one is issued for this alone, as whoever can write the city's secrets may, and revoked after.
    """
    found = find(settings, letter)
    sent = list(requests(settings, found))
    with _token(settings, token) as held:
        answers = [_post(settings, path, kind, body, held) for path, kind, body in sent]
    refused = sum(_refused(status, answer) for status, answer in answers)
    if as_json:
        told = [{"status": status, "answer": _parsed(answer)} for status, answer in answers]
        print(json.dumps({"sent": len(answers), "refused": refused, "answers": told}, ensure_ascii=False))
    else:
        for status, answer in answers:
            print(f"{status} {answer}")
    return 1 if refused else 0


@contextmanager
def _token(settings: Settings, given: str | None) -> Iterator[str]:
    """The token that was given, or one of its own for as long as the block lasts."""
    if given is not None:
        yield given
        return
    book, name = settings.secrets / "gateways.json", f"replay-{secrets.token_hex(4)}"
    token = tokens.issue(book, name, expires=datetime.now(UTC) + OWN_TOKEN)
    try:
        time.sleep(2 * tokens.RECHECK_S)  # until every gateway has read the file again
        yield token
    finally:
        tokens.revoke(book, name)


def _refused(status: int, answer: str) -> bool:
    told = _parsed(answer)
    return not 200 <= status < 300 or (isinstance(told, dict) and told.get("rejected", 0) > 0)


def _parsed(answer: str) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return answer


# --- where letters lie ------------------------------------------------------------------------------------------


def find(settings: Settings, name: str) -> DeadLetter:
    """The letter with this id; raises ``DeadError`` when there is none."""
    for letter in letters(settings):
        if letter.id == name:
            return letter
    raise DeadError(f"there is no dead letter {name} in {settings.city}; citybrain dead list shows what there is")


def letters(settings: Settings) -> Iterator[DeadLetter]:
    """All letters, the newest first, each id once: of the topic, then of the archive; raises ``DeadError``."""
    seen: set[str] = set()
    try:
        for message in kept_messages.newest(settings, contract.DEAD_LETTERS):
            letter = _read(message)
            if letter.id not in seen:
                seen.add(letter.id)
                yield letter
    except NothingKept as error:
        raise DeadError(str(error)) from error


def _read(data: bytes) -> DeadLetter:
    """The letter in ``data``; what is none is shown as one, for it must not hide the others."""
    try:
        return from_json(data, DeadLetter)
    except msgspec.DecodeError as error:
        name = hashlib.blake2b(data, digest_size=8).hexdigest()
        return DeadLetter(
            id=name, at=0, source="dead-letters", reason=f"not a dead letter: {error}", body=data, format=""
        )


# --- sending again ----------------------------------------------------------------------------------------------


def requests(settings: Settings, letter: DeadLetter) -> Iterator[tuple[str, str, bytes]]:
    """The requests (path, content type, body) that bring the letter to the gateway's door for it again."""
    from_topic = re.fullmatch(rf"{re.escape(settings.city)}\.([a-z-]+)-\d+@\d+", letter.source)
    if from_topic is not None and from_topic[1] != contract.READINGS.name:
        raise DeadError(
            f"letter {letter.id} is a message of the topic {from_topic[1]} and no reading; "
            "it cannot go through the gateway"
        )
    if from_topic is not None:
        for kind, body in _of_batch(settings, letter):
            yield READINGS, kind, body
        return
    row = _row(letter)
    if row is None:
        yield *door(letter), letter.body
        return
    if isinstance(row["datastream"], int):  # refused by a worker, which knows datastreams by their integers
        row["datastream"] = _name(register.load(settings.register).ids, row["datastream"])
        yield READINGS, ROWS, json.dumps(row).encode()
        return
    yield READINGS, ROWS, letter.body


def _row(letter: DeadLetter) -> dict[str, Any] | None:
    """The one reading that the letter holds; None when it holds a whole body."""
    if letter.format != "application/json":
        return None
    try:
        held = json.loads(letter.body)
    except ValueError:
        return None
    one = isinstance(held, dict) and isinstance(held.get("datastream"), str | int)
    return held if one else None


def _of_batch(settings: Settings, letter: DeadLetter) -> Iterator[tuple[str, bytes]]:
    """The readings of a message of the topic readings, as the gateway takes them."""
    try:
        batch = batches.decode(letter.body)
    except Malformed as error:
        raise DeadError(
            f"letter {letter.id} from {letter.source} is no batch of readings ({error}); it cannot be sent"
        ) from error
    ids = register.load(settings.register).ids
    for start in range(0, len(batch), settings.batch_limit):
        part = batch.take(np.arange(start, min(start + settings.batch_limit, len(batch))))
        columns = {
            "datastream": [_name(ids, number) for number in part.datastream.tolist()],
            "time": part.time.tolist(),
            "value": part.value.tolist(),
        }
        yield "application/json", msgspec.json.encode(columns)


def _name(ids: list[str], number: int) -> str:
    """The datastream's id; a number that is in no register stays one, for the gateway to refuse."""
    return ids[number] if 0 <= number < len(ids) else str(number)


def _post(settings: Settings, path: str, kind: str, body: bytes, token: str) -> tuple[int, str]:
    """The gateway's answer: status and body."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    url = f"http://{host}:{settings.gateway_port}{path}"
    headers = {"authorization": f"Bearer {token}", "content-type": kind}
    request = urllib.request.Request(url, body, headers)  # our own http address
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310  # our own http address
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        raise DeadError(
            f"no gateway answers at {url} ({error}); start it, or set CITYBRAIN_HOST and CITYBRAIN_GATEWAY_PORT"
        ) from error


# --- telling ----------------------------------------------------------------------------------------------------


def _told(letter: DeadLetter, brief: bool = False) -> dict[str, str]:
    """The letter for people and programmes; ``body`` as text where it is some, else ``base64``; none if ``brief``."""
    told = {"id": letter.id, "at": _moment(letter.at), "source": letter.source, "reason": letter.reason}
    told |= {"field": letter.field, "format": letter.format}
    if brief:
        return told
    try:
        return told | {"body": letter.body.decode()}
    except UnicodeDecodeError:
        return told | {"base64": base64.b64encode(letter.body).decode()}


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cut(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"
