"""The sentence that says why: what spoke, what was expected when, the neighbours, and what corroborates it."""

from __future__ import annotations

from msgspec.structs import replace

from models.explain import sentence
from models.trust import Trust
from models.values import Why
from tests.models.test_trust import claim

WHY = Why(
    channel="spike", low=6.0, high=19.0, season="workday", hour=18, neighbours=8, strange=3, lasted_ms=25_000,
    corroborated=("zone", "neighbours"),
)  # fmt: skip


def test_a_camera_is_explained_in_both_languages() -> None:
    """Everything that is known stands in the sentence."""
    told = sentence(replace(claim(1).detection, why=WHY))
    assert told.en == (
        "One reading stood out. 12 was expected at 18:00 on a working day, 6 to 19 is usual; 60 came. It had held for "
        "25 s. 3 of 8 neighbours are out of the ordinary in the same direction. Corroborated by its zone and its "
        "neighbours."
    )
    assert told.zh == (
        "单次读数突出。工作日18:00预期 12，常见范围 6 至 19，实测 60。已持续 25 秒。"
        "8 个相邻监测点中有 3 个同向异常。佐证：所在区域、相邻监测点。"
    )


def test_a_single_witness_is_said_to_be_one() -> None:
    """What nothing corroborates says so; what is not known is left out."""
    found = claim(1).detection
    assert sentence(replace(found, why=Why(), expected=None)).en == ("Nothing else corroborates it: a single witness.")
    assert sentence(replace(found, why=None)).en == ""


def test_an_alert_of_trust_can_be_explained() -> None:
    """What trust tells has the corroboration that its sentence names."""
    (found,) = Trust(5_000).step(0, {0: [(claim(1, lasted_s=150), "g")]}, {}, (), 6.0)
    assert "It had held for 2 min. 0 of 8 neighbours" in sentence(found).en
    assert sentence(found).en.endswith("Corroborated by its persistence.")
