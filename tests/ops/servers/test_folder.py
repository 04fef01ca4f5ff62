from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from ops.servers.errors import ServerFailed
from ops.servers.folder import LOG_BYTES, DataFolder, holder_of_port, port_refusal

if TYPE_CHECKING:
    from pathlib import Path
    from pwd import struct_passwd


def test_keeps_a_secret_readable_by_its_account_alone(folder: DataFolder) -> None:
    first = folder.secret("one")
    assert len(first) == 43
    assert folder.secret("two") != first
    assert folder.secret("one") == first
    assert stat.S_IMODE((folder.path / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.logs.stat().st_mode) == 0o700


def test_finds_its_secrets_and_ports_again(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "data")
    secret, port = first.secret("one"), first.port("one")
    first.close()
    second = DataFolder(tmp_path / "data")
    assert (second.secret("one"), second.port("one")) == (secret, port)
    second.close()


def test_gives_another_port_when_the_remembered_one_is_taken(folder: DataFolder) -> None:
    port = folder.port("one")
    with socket.create_server(("127.0.0.1", port)):
        other = folder.port("one")
    assert other != port
    assert folder.port("one") == other


def test_refuses_a_path_that_can_be_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ServerFailed, match="can't be a data folder"):
            DataFolder(path)


def test_refuses_a_second_process_and_names_the_first(folder: DataFolder) -> None:
    code = (
        "import sys; from pathlib import Path; from ops.servers.folder import DataFolder\n"
        "DataFolder(Path(sys.argv[1]))"
    )
    again = subprocess.run(
        [sys.executable, "-c", code, folder.path],
        check=False,
        capture_output=True,
        text=True,
    )
    assert again.returncode != 0
    assert f"runs in {folder.path} already (process {os.getpid()})" in again.stderr


def test_is_free_again_after_close(tmp_path: Path) -> None:
    DataFolder(tmp_path / "data").close()
    DataFolder(tmp_path / "data").close()


def test_refuses_damaged_notes_with_a_sentence(folder: DataFolder) -> None:
    folder.secret("one")
    (folder.path / "secrets.json").write_text('{"one": "ab')
    with pytest.raises(ServerFailed, match="damaged: put a good copy back"):
        folder.secret("one")


def test_refuses_a_folder_of_another_account(open_folder: Path, ordinary: struct_passwd) -> None:
    DataFolder(open_folder / "data").close()
    (open_folder / "data").chmod(0o755)
    code = (
        "import sys; from pathlib import Path; from ops.servers.folder import DataFolder\n"
        "from ops.servers.errors import ServerFailed; import os\n"
        "os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))\n"
        "try: DataFolder(Path(sys.argv[1]))\n"
        "except ServerFailed as fault: print(fault)"
    )
    words = [str(open_folder / "data"), str(ordinary.pw_uid), str(ordinary.pw_gid)]
    told = subprocess.check_output([sys.executable, "-c", code, *words], text=True)
    assert "can't be used by this account" in told
    assert "--data-dir" in told


def test_puts_a_long_log_aside(folder: DataFolder) -> None:
    log = folder.log("one")
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    assert not folder.log("one").exists()
    assert (folder.logs / "one.log.1").stat().st_size == LOG_BYTES + 1


def test_finds_a_process_of_a_former_run(folder: DataFolder) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        folder.remember_process("one", psutil.Process(child.pid))
        assert folder.left_behind("one") == psutil.Process(child.pid)
        assert folder.left_behind("two") is None
        child.kill()
    assert folder.left_behind("one") is None


def test_takes_no_other_process_with_the_number_for_its_own(folder: DataFolder) -> None:
    folder.remember_process("one", psutil.Process())
    notes = folder.path / "processes.json"
    known = json.loads(notes.read_text())
    known["one"]["started"] -= 60
    notes.write_text(json.dumps(known))
    assert folder.left_behind("one") is None


def test_names_who_holds_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert port_refusal("127.0.0.1", port) is not None
        assert f"(process {os.getpid()})" in holder_of_port(port)
    assert port_refusal("127.0.0.1", port) is None
