"""What a process takes from itself before it opens anything it does not trust. Linux only.

Each layer stands alone, so that a kernel or container which refuses one still has the others:
resource limits, a network namespace of its own, Landlock (files, TCP, signals), and a filter of
system calls that ends sockets, new processes and programs, and what looks into other processes.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LIBC = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
CLONE_THREAD, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = (
    0x10000,
    0x08000000,
    0x10000000,
    0x40000000,
)

# The same numbers on every architecture (Documentation/userspace-api/landlock.rst).
LANDLOCK_CREATE, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_PATH_BENEATH, LANDLOCK_VERSION = 1, 1
WITH_NETWORK, WITH_SCOPES = 4, 6  # Versions whose attributes have one more member each.
FILES_BY_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
FILE_ONLY = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15

LOOKED_AT = ("/proc/self/cgroup", "/sys/fs/cgroup")
"""Where DuckDB looks for a container's memory limit: it does not survive being refused that."""

# Numbers of system calls, and the kernel's constant for the architecture (linux/audit.h).
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
REFUSED = {
    "x86_64": (
        (
            41,
            42,
            53,
            57,
            58,
            59,
            62,
            101,
            165,
            166,
            175,
            200,
            246,
            248,
            249,
            250,
            272,
            298,
            304,
            308,
            310,
            311,
            313,
            321,
            322,
            323,
            424,
            425,
            438,
        )
    ),
    "aarch64": (
        (
            39,
            40,
            97,
            104,
            105,
            117,
            129,
            130,
            198,
            199,
            203,
            217,
            218,
            219,
            221,
            241,
            265,
            268,
            270,
            271,
            273,
            280,
            281,
            282,
            424,
            425,
            438,
        )
    ),
}
"""Sockets; fork, vfork, exec; kill and tkill; ptrace and its kin; mounts, namespaces, modules,
keys, BPF, io_uring, userfaultfd, and handles of files and processes."""
CLONE = {"x86_64": 56, "aarch64": 220}
TGKILL = {"x86_64": 234, "aarch64": 131}
CLONE3 = 435
X32_BIT = 0x40000000

# Classic BPF (linux/filter.h): load a word, jump when equal, at least, or any bit set; return.
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
EPERM, ENOSYS = 1, 38
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # Offsets in struct seccomp_data.


def limit_resources(
    memory_bytes: int, cpu_seconds: int, file_bytes: int, processes: int | None
) -> None:
    """Sets the limits that the kernel keeps; `processes` counts all of the user's threads.

    Memory is what the process can write to itself: mapped files do not count.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    # The soft limit's signal tells a used-up time from other deaths; the hard one can't be blocked.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 2))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    if processes is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))


def die_with_parent(parent: int | None) -> None:
    """Asks the kernel to kill this process when the thread that started it ends.

    `parent` is who that should be: a process that has another by now ends at once. None where the
    parent is out of sight, in a namespace above.
    """
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def leave_network() -> bool:
    """Moves into namespaces of its own for network and users; False where that is not allowed."""
    # Some systems allow the move and then refuse the mapping: a fork goes ahead and finds out.
    scout = os.fork()
    if scout == 0:
        try:
            os._exit(0 if _move() else 1)
        except OSError:
            os._exit(1)
    _, status = os.waitpid(scout, 0)
    return status == 0 and _move()


def _move() -> bool:
    user, group = os.getuid(), os.getgid()
    if LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) != 0:
        return False
    # Without a mapping, nothing could be created in the job directory any more.
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path("/proc/self", name).write_text(text, encoding="ascii")
    return True


def confine_files(readable: Iterable[str], writable: str) -> bool:
    """Leaves only these paths within reach by Landlock; False where the kernel has none.

    From version 4 on TCP is out of reach as well, from version 6 on signals to others.
    """
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    version = _call(LANDLOCK_CREATE, None, 0, LANDLOCK_VERSION)
    if version < 1:
        return False
    files = FILES_BY_VERSION[max(known for known in FILES_BY_VERSION if known <= version)]
    attributes = struct.pack("<QQQ", files, 0b11, 0b11)
    size = 24 if version >= WITH_SCOPES else 16 if version >= WITH_NETWORK else 8
    ruleset = _call(LANDLOCK_CREATE, attributes, size, 0)
    if ruleset < 0:
        return False
    for path in readable:
        _allow(ruleset, path, EXECUTE | READ_FILE | READ_DIR)
    for path in LOOKED_AT:
        _allow(ruleset, path, READ_FILE | READ_DIR)
    _allow(ruleset, "/dev/null", READ_FILE | WRITE_FILE)
    _allow(ruleset, "/dev/urandom", READ_FILE)
    _allow(ruleset, writable, files & ~(1 << 6 | 1 << 9 | 1 << 11))  # No devices, no sockets.
    confined = _call(LANDLOCK_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return confined


def refuse_system_calls() -> bool:
    """Makes the calls of `REFUSED` fail with EPERM; False where the architecture is not known."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        return False
    program = _filter(machine, os.getpid())
    block = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(block))
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Mode 2 is a filter; it holds for all threads that this one starts.
    return bool(LIBC.prctl(PR_SET_SECCOMP, 2, pointer, 0, 0) == 0)


def _filter(machine: str, own: int) -> bytes:
    """Assembles the filter. Each test is followed by what to do if it holds."""
    steps: list[tuple[int, int, int, int]] = [
        _load(ARCHITECTURE),
        (EQUAL, 1, 0, ARCHITECTURES[machine]),
        _return(KILL_PROCESS),
        _load(NUMBER),
    ]
    if machine == "x86_64":
        steps += [(AT_LEAST, 0, 1, X32_BIT), _return(ERRNO | EPERM)]
    for number in REFUSED[machine]:
        steps += [(EQUAL, 0, 1, number), _return(ERRNO | EPERM)]
    steps += [
        # Its arguments are out of a filter's sight; the C library then uses clone.
        (EQUAL, 0, 1, CLONE3),
        _return(ERRNO | ENOSYS),
        # Threads may be started, processes may not.
        (EQUAL, 0, 4, CLONE[machine]),
        _load(FIRST_ARGUMENT),
        (ANY_BIT, 0, 1, CLONE_THREAD),
        _return(ALLOW),
        _return(ERRNO | EPERM),
        # Signals reach this process alone: abort and threads need that.
        (EQUAL, 0, 4, TGKILL[machine]),
        _load(FIRST_ARGUMENT),
        (EQUAL, 0, 1, own),
        _return(ALLOW),
        _return(ERRNO | EPERM),
        _return(ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def _load(offset: int) -> tuple[int, int, int, int]:
    return (LOAD, 0, 0, offset)


def _return(value: int) -> tuple[int, int, int, int]:
    return (RETURN, 0, 0, value)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # What is not there needs no permission.
    try:
        if not Path(path).is_dir():
            access &= FILE_ONLY
        rule = struct.pack("<Qi", access, descriptor)
        _call(LANDLOCK_ADD_RULE, ruleset, LANDLOCK_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: int | bytes | None) -> int:
    # A variadic C function takes whole registers; an int of Python would fill only half of one.
    return int(
        LIBC.syscall(
            ctypes.c_long(number),
            *(ctypes.c_long(each) if isinstance(each, int) else each for each in arguments),
        )
    )


def count_user_threads() -> int:
    """Counts the threads of all processes of this user, which RLIMIT_NPROC limits together."""
    count = 0
    for process in Path("/proc").glob("[1-9]*"):
        try:
            if process.stat().st_uid == os.getuid():
                count += sum(1 for _ in (process / "task").iterdir())
        except OSError:
            continue  # It ended meanwhile.
    return count
