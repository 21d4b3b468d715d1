"""The examples on the doors' pages, run as they stand there but for names, ports and tokens."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config import contract
from models import batch
from sensors.mqtt.routes import DEFAULT
from sensors.mqtt.routes import load as load_routes
from sensors.poll import load as load_polls
from tests.sensors.mosquitto import MOSQUITTO, mosquitto
from tests.sensors.rig import Reader, Served, create_topics, points, wait_until
from tests.sensors.test_mqtt import door

DOCS = Path(__file__).parents[2] / "docs"
PUBLISH = shutil.which("mosquitto_pub")
CAMERA = ("cam-000001/people", "cam-001/people")  # of the page, and of the tests' register


def fences(page: str, language: str) -> list[str]:
    """The examples of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.S)


def test_the_readings_of_the_http_page_are_taken(gateway: Served) -> None:
    """The first example of docs/gateway.md, by curl itself."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    command = fences("gateway.md", "sh")[0].replace(*CAMERA)
    command = command.replace(":8060", f":{gateway.settings.gateway_port}")
    done = subprocess.run(["sh", "-c", command], env=os.environ | {"TOKEN": gateway.token}, capture_output=True)
    assert b'"accepted":1' in done.stdout, done
    assert [value for _, _, value in points(gateway.readings())] == [12.0]


@pytest.mark.skipif(MOSQUITTO is None or PUBLISH is None, reason="needs Debian's mosquitto and mosquitto-clients")
def test_the_message_of_the_mqtt_page_is_taken(broker: str, tmp_path: Path) -> None:
    """docs/mqtt.md, by mosquitto_pub itself."""
    create_topics(broker, "page")
    command = next(one for one in fences("mqtt.md", "sh") if "mosquitto_pub" in one).replace(*CAMERA)
    with mosquitto(tmp_path) as mqtt, door(tmp_path, broker, mqtt, "page"):
        subprocess.run(["sh", "-c", command.replace("-p 1883", f"-p {mqtt.port}")], check=True)
        reader = Reader(broker)
        rows: list[tuple[int, int, float]] = []

        def there() -> bool:
            rows.extend(points([batch.decode(value) for value in reader.values(contract.READINGS.of("page"))]))
            return bool(rows)

        wait_until(there, "the reading")
        reader.close()
    assert [value for _, _, value in rows] == [12.0]


def test_the_routes_and_polls_of_the_pages_are_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They load as they stand there."""
    monkeypatch.setenv("HARBOUR_TOKEN", "x")
    (tmp_path / "mqtt.yaml").write_text(fences("mqtt.md", "yaml")[0])
    (tmp_path / "polls.yaml").write_text(fences("polling.md", "yaml")[0])
    assert [route.format for route in load_routes(tmp_path)] == ["senml", "status"]
    assert [poll.name for poll in load_polls(tmp_path)] == ["harbour", "hotline"]


def test_every_default_topic_is_on_the_page() -> None:
    """docs/mqtt.md."""
    page = (DOCS / "mqtt.md").read_text("utf-8")
    for route in DEFAULT:
        tail = route.filter.removeprefix("citybrain/+/")
        assert route.filter in page or f"…/{tail}" in page, route.filter


def test_the_mapping_of_the_files_page_reads_a_csv(tmp_path: Path) -> None:
    """docs/files.md: the command's dry run on a small table."""
    (tmp_path / "mapping.yaml").write_text(fences("files.md", "yaml")[0])
    assert isinstance(yaml.safe_load((tmp_path / "mapping.yaml").read_text()), dict)
    (tmp_path / "counts.csv").write_text("sensor,at,people\ncam-001,2026-09-21T14:13:20Z,12\n")
    words = ["ingest", "counts.csv", "--format", "csv", "--mapping", "mapping.yaml", "--dry-run"]
    done = subprocess.run(
        [sys.executable, "-m", "citybrain", *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(DOCS.parent)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"datastream":"cam-001/people"' in done.stdout
