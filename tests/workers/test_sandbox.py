"""What a child can reach, how it is stopped, and what its ways of ending mean."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.workers.engines.workbooks import parts
from tests.workers.watching import alive
from workers.bubblewrap import PROJECT
from workers.engines.errors import FileErrorCode
from workers.processes import family_of
from workers.sandbox import ChildFailed, ChildStopped, Limits, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., Sandbox]

MiB = 1 << 20
LIMITS = Limits(
    memory_bytes=512 * MiB, cpu_seconds=30, wall_seconds=30, file_bytes=64 * MiB, processes=32
)
HOSTILE = "tests.workers.hostile_tasks"
SALES = PROJECT / "tests" / "data" / "sales_online_retail.csv"


@pytest.fixture(params=["bubblewrap", "alone"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes sandboxes that use bubblewrap, and such as do without it."""
    if request.param == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed: children confine themselves alone")

    def sandbox(limits: Limits = LIMITS, tasks: str = HOSTILE) -> Sandbox:
        made = Sandbox(limits, tmp_path / "jobs", tasks=tasks)
        if request.param == "alone":
            made._bubblewrap = False
        return made

    return sandbox


async def run(
    sandbox: Sandbox,
    task: str,
    *,
    stop: asyncio.Event | None = None,
    told: list[tuple[int, str]] | None = None,
    **params: object,
) -> dict[str, Any]:
    async with sandbox.directory() as directory:
        (directory / "input").write_bytes(b"a,b\n1,2\n")
        return await sandbox.run(
            task,
            directory,
            {"input": "input", "file_type": "csv", "params": params},
            on_progress=lambda percentage, step: (
                None if told is None else told.append((percentage, step))
            ),
            stop=stop or asyncio.Event(),
        )


async def code_of(sandbox: Sandbox, task: str) -> FileErrorCode:
    with pytest.raises(ChildFailed) as caught:
        await run(sandbox, task)
    return caught.value.code


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


async def test_a_real_file_goes_through_validation_and_etl(make: Make) -> None:
    sandbox = make(replace(LIMITS, memory_bytes=1024 * MiB), "workers.engines.tasks")
    async with sandbox.directory() as directory:
        shutil.copy(SALES, directory / "input")
        told: list[tuple[int, str]] = []

        async def child(task: str, **params: object) -> dict[str, Any]:
            return await sandbox.run(
                task,
                directory,
                {"input": "input", "file_type": "csv", "params": params},
                on_progress=lambda percentage, step: told.append((percentage, step)),
                stop=asyncio.Event(),
            )

        report = await child("validation")
        assert (directory / "rejects.jsonl").read_bytes().count(b"\n") == 119
        summary = await child("etl", validation=report)
        assert (directory / "output.parquet").read_bytes()[:4] == b"PAR1"
    assert report["rows"] == summary["rows"] == {"read": 8373, "kept": 8254, "rejected": 119}
    assert (0, "Checking the type of the file") in told
    assert not directory.exists()


async def test_a_child_has_its_directory_and_nothing_else(make: Make) -> None:
    seen = await run(make(), "look_around")
    # Where it is, and the encoding that Python sets for itself.
    assert set(seen["environment"]) <= {"PWD", "LC_CTYPE"}
    assert seen["files"] == ["input"]
    # Control pipe, output, complaints, and the pipe that answers go through.
    assert seen["descriptors"] == [0, 1, 2, 3]
    assert seen["readable"] == []
    assert seen["writable"] == []
    assert seen["package_writable"] is False


async def test_a_child_reaches_no_network_process_or_foreign_file(
    make: Make, listener: int
) -> None:
    reached = await run(make(), "reach_out", port=listener, pid=os.getpid())
    allowed = {"thread", "duckdb_input"}
    assert {name for name, worked in reached.items() if worked} == allowed


async def test_what_a_child_may_not_reach_is_there_to_be_reached(listener: int) -> None:
    """The same attempts go well outside, so their failing inside means something."""
    socket.create_connection(("127.0.0.1", listener), 1).close()
    assert Path("/etc/passwd").read_bytes()
    os.kill(os.getpid(), 0)


async def test_memory_beyond_the_limit_ends_a_child(make: Make) -> None:
    assert await code_of(make(), "hold_memory") is FileErrorCode.OUT_OF_MEMORY


async def test_memory_that_the_kernel_does_not_limit_is_watched(make: Make) -> None:
    assert await code_of(make(), "hold_shared_memory") is FileErrorCode.OUT_OF_MEMORY


async def test_a_child_that_never_ends_times_out(make: Make) -> None:
    sandbox = make(replace(LIMITS, wall_seconds=0.7))
    for task in ("spin", "backtrack", "sleep"):
        began = time.monotonic()
        assert await code_of(sandbox, task) is FileErrorCode.TIMED_OUT
        assert time.monotonic() - began < 5


async def test_cpu_time_is_limited(make: Make) -> None:
    with pytest.raises(ChildFailed, match="CPU time") as caught:
        await run(make(replace(LIMITS, cpu_seconds=1)), "spin")
    assert caught.value.code is FileErrorCode.TIMED_OUT
    assert caught.value.retryable is False


async def test_a_file_beyond_the_limit_is_an_error(make: Make) -> None:
    assert await code_of(make(), "write_much") is FileErrorCode.OUTPUT_TOO_LARGE


async def test_a_crash_is_an_error_that_may_be_tried_again(make: Make) -> None:
    with pytest.raises(ChildFailed, match="SIGSEGV") as caught:
        await run(make(), "crash")
    assert (caught.value.code, caught.value.retryable) == (FileErrorCode.CHILD_DIED, True)
    assert await code_of(make(), "leave") is FileErrorCode.CHILD_DIED


async def test_an_unknown_task_or_file_name_is_a_fault_of_ours(make: Make) -> None:
    with pytest.raises(ChildFailed) as caught:
        await run(make(), "no_such_task")
    assert caught.value.code is FileErrorCode.INTERNAL
    assert "KeyError" in (caught.value.traceback or "")
    assert "KeyError" not in caught.value.message
    sandbox = make(tasks="workers.engines.tasks")
    async with sandbox.directory() as directory:
        with pytest.raises(ChildFailed, match="The task failed"):
            await sandbox.run(
                "validation",
                directory,
                {"input": "../input", "file_type": "csv", "params": {}},
                on_progress=lambda *_: None,
                stop=asyncio.Event(),
            )


async def test_a_bad_file_gives_its_code_and_sentence(make: Make) -> None:
    sandbox = make(tasks="workers.engines.tasks")
    async with sandbox.directory() as directory:
        (directory / "input").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
        with pytest.raises(ChildFailed, match="its content is a PNG image") as caught:
            await sandbox.run(
                "validation",
                directory,
                {"input": "input", "file_type": "csv", "params": {}},
                on_progress=lambda *_: None,
                stop=asyncio.Event(),
            )
    assert (caught.value.code, caught.value.retryable) == (FileErrorCode.NOT_THE_TYPE, False)


async def test_two_cells_that_are_far_apart_exhaust_nothing(make: Make) -> None:
    """A sheet is held as a rectangle: here of half a terabyte, which its library asks for."""
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    members = parts({"s": [["a"]]})
    name = "xl/worksheets/sheet1.xml"
    members[name] = members[name].replace("</sheetData>", far)
    sandbox = make(tasks="workers.engines.tasks")
    async with sandbox.directory() as directory:
        with zipfile.ZipFile(directory / "input", "w") as archive:
            for member, text in members.items():
                archive.writestr(member, text)
        with pytest.raises(ChildFailed) as caught:
            await sandbox.run(
                "validation",
                directory,
                {"input": "input", "file_type": "excel", "params": {}},
                on_progress=lambda *_: None,
                stop=asyncio.Event(),
            )
    assert (caught.value.code, caught.value.retryable) == (FileErrorCode.OUT_OF_MEMORY, False)


async def test_rubbish_from_a_child_does_not_disturb_its_parent(make: Make) -> None:
    told: list[tuple[int, str]] = []
    assert await run(make(), "talk_nonsense", told=told) == {"said": True}
    assert told == [(100, "")]


async def test_progress_is_throttled_and_large_results_arrive(make: Make) -> None:
    told: list[tuple[int, str]] = []
    result = await run(make(), "say_much", told=told)
    assert len(result["large"]) == 4 * MiB
    assert 1 <= len(told) < 50


async def test_a_stopped_child_is_gone_at_once(make: Make) -> None:
    stop = asyncio.Event()
    told: list[tuple[int, str]] = []
    before = set(family_of(os.getpid()))
    work = asyncio.create_task(run(make(), "sleep", stop=stop, told=told))
    await _until(lambda: bool(told))
    family = set(family_of(os.getpid())) - before
    assert family
    began = time.monotonic()
    stop.set()
    with pytest.raises(ChildStopped):
        await work
    assert time.monotonic() - began < 1
    assert not any(alive(pid) for pid in family)


async def test_a_cancelled_run_leaves_no_child(make: Make) -> None:
    told: list[tuple[int, str]] = []
    before = set(family_of(os.getpid()))
    work = asyncio.create_task(run(make(), "sleep", told=told))
    await _until(lambda: bool(told))
    family = set(family_of(os.getpid())) - before
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not any(alive(pid) for pid in family)


async def test_a_job_directory_is_private_and_goes_away_whatever_is_in_it(tmp_path: Path) -> None:
    sandbox = Sandbox(LIMITS, tmp_path / "jobs")
    async with sandbox.directory() as directory, sandbox.directory() as other:
        assert directory != other
        assert directory.stat().st_mode & 0o777 == 0o700
        locked = directory / "locked"
        locked.mkdir()
        (locked / "file").write_bytes(b"x")
        locked.chmod(0)
        Sandbox(LIMITS, tmp_path / "jobs")
        assert other.exists(), "a directory in use is not swept up"
    assert list((tmp_path / "jobs").iterdir()) == []


async def test_children_are_started_from_the_main_thread_alone(tmp_path: Path) -> None:
    sandbox = Sandbox(LIMITS, tmp_path / "jobs", tasks=HOSTILE)
    failures: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(run(sandbox, "leave"))
        except RuntimeError as error:
            failures.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert "main thread" in str(failures[0])


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(0.01)


async def test_a_child_that_a_signal_stopped_is_given_up(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.processes.STILL_SECONDS", 2)
    told: list[tuple[int, str]] = []
    work = asyncio.create_task(run(make(), "sleep", told=told))
    while not told:  # noqa: ASYNC110 (the child tells in its own time)
        await asyncio.sleep(0.02)
    *_, innermost = family_of(os.getpid())
    os.kill(innermost, signal.SIGSTOP)
    with pytest.raises(ChildFailed) as caught:
        await asyncio.wait_for(work, 15)
    assert caught.value.code is FileErrorCode.CHILD_DIED
    assert caught.value.retryable
    assert not caught.value.blames_file
    assert not alive(innermost)
