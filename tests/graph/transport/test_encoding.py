from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from graph.transport.encoding import encoded
from graph.transport.operation import OperationResult

if TYPE_CHECKING:
    import pytest


def test_writes_times_and_ids_by_itself() -> None:
    id_ = uuid.uuid4()
    data = {"at": datetime(2026, 1, 2, 3, 4, 5, 678000, UTC), "id": id_}
    assert orjson.loads(encoded(OperationResult(data), "r1")) == {
        "data": {"at": "2026-01-02T03:04:05.678000+00:00", "id": str(id_)}
    }


def test_masks_what_json_cannot_hold(caplog: pytest.LogCaptureFixture) -> None:
    answer = orjson.loads(encoded(OperationResult({"big": 2**70, "at": object()}), "r1"))
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"] == {"code": "INTERNAL", "requestId": "r1"}
    assert "r1" in caplog.text
