"""The child process in which files are opened: ``python -m workers.child``.

It speaks JSON lines. Its standard input is the control pipe: one line with the request, then open
for as long as the parent lives. On its standard output it tells its progress and, last, the result
or the error. It knows nothing but its job directory, which is its working directory.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import threading
import traceback
from pathlib import Path
from typing import Any

from workers import confinement
from workers.engines.errors import ADVICE, FileError, FileErrorCode
from workers.engines.progress import Progress
from workers.engines.task import Request

MAX_TRACEBACK_CHARACTERS = 20_000


def main() -> None:
    """Runs the one task of the request, and tells how it ended."""
    # Whatever a library prints goes where it can't be taken for an answer.
    answers = os.dup(1)
    os.dup2(2, 1)
    order = json.loads(_first_line(0))
    _confine(order)
    threading.Thread(target=_end_with_control_pipe, name="control", daemon=True).start()
    lock = threading.Lock()

    def answer(document: dict[str, Any]) -> None:
        line = json.dumps(document).encode() + b"\n"
        with lock:
            while line:
                line = line[os.write(answers, line) :]

    try:
        tasks = importlib.import_module(order["tasks"]).TASKS
        module, _, name = tasks[order["task"]].partition(":")
        run = getattr(importlib.import_module(module), name)
        asked = order["request"]
        request = Request(
            Path(asked["input"]),
            asked["file_type"],
            asked.get("params") or {},
            order["memory_bytes"],
            Progress(lambda percentage, step: answer({"progress": percentage, "step": step})),
        )
        result = run(request)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent has to be told
        answer({"error": _described(error)})
    else:
        answer({"result": result})
    # Threads of libraries are not waited for: what they made is written, or is of no use.
    os._exit(0)


def _first_line(descriptor: int) -> bytes:
    """Reads one line and not a byte more, so that the watcher sees the end of the pipe."""
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            os._exit(1)
        line += chunk
    return line


def _confine(order: dict[str, Any]) -> None:
    if not order["bubblewrap"]:
        confinement.leave_network()
    confinement.die_with_parent(None if order["bubblewrap"] else order["parent"])
    confinement.limit_resources(
        order["memory_bytes"], order["cpu_seconds"], order["file_bytes"], order["processes"]
    )
    if not order["bubblewrap"]:
        confinement.confine_files(order["readable"], str(Path.cwd()))
    confinement.refuse_system_calls()


def _end_with_control_pipe() -> None:
    while os.read(0, 1 << 16):
        pass
    os._exit(1)


def _described(error: BaseException) -> dict[str, Any]:
    """Gives code, message and traceback of an error."""
    trace = "".join(traceback.format_exception(error))[-MAX_TRACEBACK_CHARACTERS:]
    if isinstance(error, FileError):
        return {"code": error.code, "message": error.message, "traceback": trace}
    code = _code(error)
    found = {
        FileErrorCode.OUT_OF_MEMORY: "The file needs more memory than one task may take.",
        FileErrorCode.OUTPUT_TOO_LARGE: "The work needs a file larger than one task may write.",
        FileErrorCode.DISK_FULL: "There is no room left on the worker's disk.",
    }.get(code, "The task failed.")
    return {"code": code, "message": f"{found} {ADVICE[code]}", "traceback": trace}


def _code(error: BaseException) -> FileErrorCode:
    names = {each.__name__ for each in type(error).__mro__}
    text = str(error)
    # DuckDB is not imported for its exceptions' sake: a task that did not use it raised none.
    if isinstance(error, MemoryError) or "OutOfMemoryException" in names or "bad_alloc" in text:
        return FileErrorCode.OUT_OF_MEMORY
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EFBIG or os.strerror(errno.EFBIG) in text:
        return FileErrorCode.OUTPUT_TOO_LARGE
    if number == errno.ENOSPC or os.strerror(errno.ENOSPC) in text:
        return FileErrorCode.DISK_FULL
    return FileErrorCode.INTERNAL


if __name__ == "__main__":
    main()
