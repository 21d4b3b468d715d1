"""The chained history: what was changed, taken out or put in is named."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from models.audit import Anchor, Writer, digest, of_command, verify
from models.values import Answer, AuditLine, Command, Order, to_json


def lines(count: int = 12) -> list[AuditLine]:
    """A history as the room writes it."""
    raw = [
        AuditLine(
            number=0, at=n, by="li", what="alert", subject=f"a{n % 3}", did="comment", detail=f"步骤 {n}", step=n + 1
        )
        for n in range(count)
    ]
    return Writer().write(raw)


def rechained(line: AuditLine, **changes: object) -> AuditLine:
    """A line that was changed by somebody who knows how the chain is made."""
    changed = replace(line, **changes)
    return replace(changed, chain=digest(changed))


def test_an_untouched_history_holds() -> None:
    """As values and as bytes."""
    history = lines()
    assert verify(history) == (Anchor(12, history[-1].chain), None)
    assert verify(to_json(line) for line in history) == (Anchor(12, history[-1].chain), None)
    assert verify([]) == (Anchor(), None)


def _changed(history: list[AuditLine]) -> list[AuditLine]:
    return [*history[:4], replace(history[4], by="wang"), *history[5:]]


def _cleverly_changed(history: list[AuditLine]) -> list[AuditLine]:
    return [*history[:4], rechained(history[4], by="wang"), *history[5:]]


def _removed(history: list[AuditLine]) -> list[AuditLine]:
    return history[:4] + history[5:]


def _removed_first(history: list[AuditLine]) -> list[AuditLine]:
    return history[2:]


def _removed_and_renumbered(history: list[AuditLine]) -> list[AuditLine]:
    return history[:4] + [rechained(line, number=line.number - 1) for line in history[5:]]


def _swapped(history: list[AuditLine]) -> list[AuditLine]:
    return [*history[:4], history[5], history[4], *history[6:]]


def _added(history: list[AuditLine]) -> list[AuditLine]:
    return [*history[:5], rechained(history[4], by="wang"), *history[5:]]


@pytest.mark.parametrize(
    ("tamper", "number", "what"),
    [
        (_changed, 5, "changed"),
        (_cleverly_changed, 5, "changed"),
        (_removed, 5, "removed"),
        (_removed_first, 1, "removed"),
        (_removed_and_renumbered, 4, "changed"),
        (_swapped, 5, "removed"),
        (_added, 5, "added"),
    ],
)
def test_the_first_line_that_is_not_as_it_was_is_named(
    tamper: Callable[[list[AuditLine]], list[AuditLine]], number: int, what: str
) -> None:
    """With what happened to it."""
    _, fault = verify(tamper(lines()))
    assert fault is not None
    assert (fault.number, fault.what) == (number, what)
    assert str(fault).startswith(f"line {number} was {what}: ")


def test_the_last_line_with_a_chain_made_anew_is_found_by_an_anchor() -> None:
    """A chain alone cannot show it."""
    history = lines()
    anchor, _ = verify(history)
    forged = [*history[:-1], rechained(history[-1], by="wang")]
    at, fault = verify(forged)
    assert fault is None
    assert at != anchor


def test_a_part_of_the_history_holds_after_its_anchor() -> None:
    """Where older lines lie elsewhere."""
    history = lines()
    assert verify(history[6:], Anchor(6, history[5].chain))[1] is None
    assert verify(history[6:], Anchor(6, history[4].chain))[1] is not None


def test_an_anchor_is_written_and_read() -> None:
    """As on a shift report."""
    anchor = verify(lines())[0]
    assert Anchor.parse(str(anchor)) == anchor
    with pytest.raises(ValueError, match="NUMBER:CHAIN"):
        Anchor.parse("twelve")


def test_a_line_delivered_twice_is_one() -> None:
    """As a broker may keep it after a broken connection."""
    history = lines()
    assert verify([*history[:3], history[2], *history[3:]])[1] is None


def test_a_writer_that_takes_over_goes_on_and_repeats_nothing() -> None:
    """What the crash made come again is in the tail; what is new gets the next number."""
    history = lines()
    again = [replace(history[-1], number=0, before="", chain=""), replace(history[-1], number=0, step=13)]
    more = Writer(history[-3:]).write(again)
    assert [line.number for line in more] == [13]
    assert verify(history + more)[1] is None


def test_lines_without_step_or_command_are_always_new() -> None:
    """Steps of a history that forgets its oldest have no place to be known by."""
    line = AuditLine(number=0, at=1, by="", what="unit", subject="u1", did="position")
    assert [one.number for one in Writer().write([line, line])] == [1, 2]


def test_a_refused_command_is_written_with_the_reason() -> None:
    """Who tried what, and why not."""
    command = Command(id="c1", alert="a1", action="acknowledge", by="li", at=5, comment="mine")
    answer = Answer(command="c1", alert="a1", status="conflict", by="wang", message="already acknowledged by wang")
    line = of_command(command, answer, 9)
    assert (line.by, line.what, line.subject, line.did, line.now, line.command) == (
        "li", "command", "a1", "acknowledge", "conflict", "c1",
    )  # fmt: skip
    assert line.detail == "already acknowledged by wang · mine"


def test_an_order_that_makes_something_is_written_under_its_new_id() -> None:
    """The answer knows it."""
    order = Order(id="o1", about="silence", subject="", do="make", by="li", at=5)
    line = of_command(order, Answer(command="o1", alert="silence/7", status="done"), 9)
    assert (line.what, line.subject, line.did, line.now) == ("order-silence", "silence/7", "make", "done")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 11), st.sampled_from(["at", "by", "what", "subject", "did", "was", "now", "detail", "command"]))
def test_any_field_of_any_line_that_is_changed_in_the_bytes_is_named(place: int, field: str) -> None:
    """Also one that a reader would ignore."""
    kept = [to_json(line) for line in lines()]
    row = json.loads(kept[place])
    row[field] = row[field] + 1 if isinstance(row[field], int) else row[field] + "x"
    kept[place] = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
    _, fault = verify(kept)
    assert fault is not None
    assert fault.number == place + 1


def test_bytes_that_hold_more_than_the_line_are_no_line() -> None:
    """A field that the reader does not know would be outside the chain."""
    kept = [to_json(line) for line in lines()]
    kept[3] = kept[3][:-1] + b',"note":"x"}'
    _, fault = verify(kept)
    assert fault is not None
    assert fault.number == 4
