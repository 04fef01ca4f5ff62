from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from domain.errors import ErrorCode
from graph.transport.completion import stopped
from graph.transport.operation import Credentials, OperationResult, RefusedError
from tests.graph.transport.serving import answers, asked, gateway_of, info_of

if TYPE_CHECKING:
    from tests.graph.transport.schema import Ledger

ANYONE = Credentials()


async def executed(ledger: Ledger, query: str, **variables: object) -> OperationResult:
    return await gateway_of(ledger).execute(asked(query, **variables), ANYONE, info_of())


async def test_executes_in_a_context_that_is_closed_when_the_answer_is_there(
    ledger: Ledger,
) -> None:
    result = await executed(ledger, "query ($n: String!) { hello(name: $n) }", n="you")
    assert result.payload() == {"data": {"hello": "Hello you"}}
    assert (ledger.opened, ledger.closed) == (1, 1)


async def test_every_operation_gets_a_fresh_context(ledger: Ledger) -> None:
    gateway = gateway_of(ledger)
    await asyncio.gather(
        *(gateway.execute(asked("{ hello }"), ANYONE, info_of()) for _ in range(5))
    )
    assert (ledger.opened, ledger.closed) == (5, 5)


async def test_gives_resolvers_the_extensions(ledger: Ledger) -> None:
    request = asked("{ extensions }")
    request = type(request)(request.query, extensions={"trace": 1})
    result = await gateway_of(ledger).execute(request, ANYONE, info_of())
    assert result.data == {"extensions": {"trace": 1}}


async def test_sorts_errors_by_path_and_indexes_as_numbers(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    result = await executed(ledger, "{ items(count: 12) { number broken } }")
    assert result.errors is not None
    assert [error["path"] for error in result.errors] == [
        ["items", number, "broken"] for number in range(12)
    ]
    assert len(caplog.records) == 12


async def test_masks_what_is_unexpected_and_logs_it(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    result = await executed(ledger, "{ broken }")
    assert "secret" not in repr(result)
    assert result.errors is not None
    assert result.errors[0]["extensions"] == {"code": "INTERNAL", "requestId": "r1"}
    assert result.payload()["data"] is None
    assert "r1" in caplog.text
    assert "secret" in caplog.text


async def test_shows_an_expected_error_with_its_code_and_fields(ledger: Ledger) -> None:
    result = await executed(ledger, "{ refused hello }")
    assert result.data == {"refused": None, "hello": "Hello world"}
    assert result.errors is not None
    assert result.errors[0]["path"] == ["refused"]
    assert result.errors[0]["extensions"] == {
        "code": "INVALID_INPUT",
        "requestId": "r1",
        "fieldErrors": [{"path": ["input", "name"], "code": "length", "message": "Too short."}],
    }


async def test_a_failed_statement_fails_the_whole_operation_masked(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    result = await executed(ledger, "{ hello failing }")
    payload = result.payload()
    assert payload["data"] is None
    assert [error["extensions"]["code"] for error in payload["errors"]] == ["INTERNAL"]
    assert "secret" not in repr(payload)
    assert "secret statement" in caplog.text
    assert ledger.open == 0


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{", {}),
        ("{ unknown }", {}),
        ("query ($n: Int!) { items(count: $n) { number } }", {}),
        ("query ($n: Int!) { items(count: $n) { number } }", {"n": "two"}),
        ("query ($n: Int!) { items(count: $n) { number } }", {"n": 2**40}),
        ("query ($id: UUID) { echo(value: 1, id: $id) }", {"id": "not one"}),
        ('{ echo(value: 1, id: "not one") }', {}),
        ("query A { hello } query B { hello }", {}),
        ("subscription { events { cursor } }", {}),
        ("{ " + "items(count: 1) { " * 300 + "number" + " }" * 300 + " }", {}),
    ],
)
async def test_refuses_what_cannot_be_executed_without_data(
    ledger: Ledger, query: str, variables: dict[str, object]
) -> None:
    result = await executed(ledger, query, **variables)
    assert result.refusal is ErrorCode.INVALID_INPUT
    payload = result.payload()
    assert set(payload) == {"errors"}
    assert {error["extensions"]["code"] for error in payload["errors"]} == {"INVALID_INPUT"}
    assert (ledger.opened, ledger.closed) == (1, 1)


async def test_a_deep_variable_is_refused_not_a_fault(ledger: Ledger) -> None:
    deep: object = []
    for _ in range(900):
        deep = [deep]
    result = await executed(ledger, "query ($n: Int!) { items(count: $n) { number } }", n=deep)
    assert result.refusal is ErrorCode.INVALID_INPUT


async def test_answers_a_refused_caller(ledger: Ledger) -> None:
    forged = Credentials("Bearer forged")
    result = await gateway_of(ledger).execute(asked("{ hello }"), forged, info_of())
    assert result.refusal is ErrorCode.UNAUTHENTICATED
    assert result.payload() == {
        "errors": [
            {
                "message": "The token is not valid.",
                "extensions": {"requestId": "r1", "code": "UNAUTHENTICATED"},
            }
        ]
    }
    assert ledger.opened == 0


async def test_masks_a_defect_of_the_context(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Credentials("Bearer broken")
    result = await gateway_of(ledger).execute(asked("{ hello }"), broken, info_of())
    assert result.refusal is ErrorCode.INTERNAL
    assert "secret" not in repr(result)
    assert caplog.records[0].levelno == logging.ERROR


async def test_cancelling_a_query_cuts_it_short_and_closes_its_context(ledger: Ledger) -> None:
    task = asyncio.create_task(executed(ledger, "{ slow(seconds: 30) }"))
    await ledger.started.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ledger.open == 0
    assert ledger.done == []


async def test_cancelling_a_mutation_lets_it_come_to_its_end(ledger: Ledger) -> None:
    task = asyncio.create_task(executed(ledger, 'mutation { write(text: "a", seconds: 0.1) }'))
    await ledger.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ledger.done == ["a"]
    assert ledger.open == 0


async def test_a_subscription_ends_each_event_before_it_is_given(ledger: Ledger) -> None:
    stream = gateway_of(ledger).subscribe(
        asked("subscription { events(until: 3) { cursor } }"), ANYONE, info_of()
    )
    async with aclosing(stream):
        given = []
        async for result in stream:
            assert isinstance(result, OperationResult)
            cursor = result.payload()["data"]["events"]["cursor"]
            given.append((cursor, ledger.ended_events))
    assert given == [("1", 1), ("2", 2), ("3", 3)]
    assert (ledger.open, ledger.sources) == (0, 0)


async def test_a_stream_of_a_query_gives_one_result_whose_context_is_closed(ledger: Ledger) -> None:
    stream = gateway_of(ledger).subscribe(asked("{ hello }"), ANYONE, info_of())
    async with aclosing(stream):
        result = await anext(stream)
        assert ledger.open == 0
        assert result == OperationResult({"hello": "Hello world"})
        assert [result async for result in stream] == []


@pytest.mark.parametrize("events", [0, 1, 2])
async def test_closing_a_stream_closes_its_source_and_context(ledger: Ledger, events: int) -> None:
    stream = gateway_of(ledger).subscribe(
        asked("subscription { events { cursor } }"), ANYONE, info_of()
    )
    for _ in range(events):
        await anext(stream)
    await stream.aclose()
    await stream.aclose()
    assert ledger.opened == 1
    assert (ledger.open, ledger.sources) == (0, 0)


async def test_cancelling_a_waiting_stream_closes_its_source_and_context(ledger: Ledger) -> None:
    stream = gateway_of(ledger).subscribe(
        asked("subscription { events(every: 30) { cursor } }"), ANYONE, info_of()
    )

    async def follow() -> None:
        async with aclosing(stream):
            async for _ in stream:
                ledger.started.set()

    task = asyncio.create_task(follow())
    await ledger.started.wait()
    task.cancel()
    await asyncio.sleep(0)
    await stopped(task)
    assert (ledger.open, ledger.sources, ledger.interrupted) == (0, 0, 0)


@pytest.mark.parametrize(
    ("query", "code", "before"),
    [
        ('subscription { ending(how: "expected") { cursor } }', "CURSOR_EXPIRED", 1),
        ('subscription { ending(how: "unexpected") { cursor } }', "INTERNAL", 1),
        ("subscription { events { failing(at: 2) } }", "INTERNAL", 1),
        ("subscription { refused { cursor } }", "UNAUTHENTICATED", 0),
        ("subscription { unknown }", "INVALID_INPUT", 0),
        ("subscription ($n: Int!) { events(after: $n) { cursor } }", "INVALID_INPUT", 0),
    ],
)
async def test_a_stream_ends_with_a_coded_refusal(
    ledger: Ledger, query: str, code: str, before: int
) -> None:
    stream = gateway_of(ledger).subscribe(asked(query), ANYONE, info_of())
    async with aclosing(stream):
        results = await answers(stream)
    assert [result.refusal for result in results] == [None] * before + [ErrorCode(code)]
    last = results[-1].payload()
    assert set(last) == {"errors"}
    assert last["errors"][0]["extensions"]["code"] == code
    assert "secret" not in repr(last)
    assert (ledger.open, ledger.sources) == (0, 0)


async def test_a_stream_for_a_refused_caller_does_not_begin(ledger: Ledger) -> None:
    with pytest.raises(RefusedError) as refusal:
        gateway_of(ledger).subscribe(
            asked("subscription { events { cursor } }"), Credentials("Bearer forged"), info_of()
        )
    assert refusal.value.result.refusal is ErrorCode.UNAUTHENTICATED
    assert ledger.opened == 0
