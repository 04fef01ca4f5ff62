"""Letters on their way: into a folder, to a real mail server, and when that does not take them."""

from __future__ import annotations

import asyncio
import stat
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from domain.post import FolderCarrier, Letter, Post, SmtpCarrier, post_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from domain.settings import Settings

SENDER = "AetherFlow <flow@example.com>"
LETTER = Letter("somebody@example.com", "A subject", "The code is s3cret-code.\n")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.post.PAUSE_SECONDS", 0)


class MailServer:
    """As much of SMTP (RFC 5321) as a client needs that wants no TLS."""

    def __init__(self, refusals: int = 0) -> None:
        self.taken: list[bytes] = []
        self.refusals = refusals
        self.lines: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        while line := await reader.readline():
            self.lines.append(line)
            word = line[:4].upper()
            if word == b"EHLO":
                writer.write(b"250-mail.example\r\n250 8BITMIME\r\n")
            elif word == b"MAIL" and self.refusals:
                self.refusals -= 1
                writer.write(b"451 somebody@example.com: later\r\n")
            elif word == b"DATA":
                writer.write(b"354 go on\r\n")
                self.taken.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 taken\r\n")
            else:
                writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                break
        writer.close()


@asynccontextmanager
async def mail_server(refusals: int = 0) -> AsyncIterator[tuple[MailServer, str]]:
    mail = MailServer(refusals)
    server = await asyncio.start_server(mail.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield mail, f"127.0.0.1:{port}"
    finally:
        server.close()


async def test_writes_letters_into_a_folder_of_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    post = Post(FolderCarrier(folder, SENDER))
    post.send(LETTER)
    await post.close()
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    letter = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert (letter["To"], letter["From"]) == (LETTER.recipient, SENDER)
    assert letter["Subject"] == "A subject"
    assert letter["Message-ID"].endswith("@example.com>")
    assert "s3cret-code" in path.read_text()


async def test_sends_letters_one_after_the_other() -> None:
    async with mail_server() as (mail, address):
        post = Post(SmtpCarrier(f"smtp-plain://{address}", SENDER))
        for _ in range(2):
            post.send(LETTER)
        await post.close()
    assert len(mail.taken) == 2
    assert b"s3cret-code" in mail.taken[0]


async def test_tries_again_and_tells_nothing_of_the_letter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with mail_server(refusals=2) as (mail, address):
        post = Post(SmtpCarrier(f"smtp-plain://{address}", SENDER), retry_seconds=0)
        post.send(LETTER)
        await post.close()
    assert len(mail.taken) == 1
    ours = [record for record in caplog.records if record.name == "domain.post"]
    assert len(ours) == 2
    for record in ours:
        for secret in ("s3cret-code", "somebody", "A subject"):
            assert secret not in record.getMessage()


async def test_gives_a_letter_up_after_three_tries(caplog: pytest.LogCaptureFixture) -> None:
    async with mail_server(refusals=9) as (mail, address):
        post = Post(SmtpCarrier(f"smtp-plain://{address}", SENDER), retry_seconds=0)
        post.send(LETTER)
        await post.close()
    assert mail.taken == []
    assert mail.refusals == 9 - 3
    assert caplog.records[-1].getMessage() == "a letter was lost after 3 tries"


async def test_sends_nothing_where_tls_was_asked_for_and_is_not_offered() -> None:
    async with mail_server() as (mail, address):
        post = Post(SmtpCarrier(f"smtp://me:pass@{address}", SENDER), retry_seconds=0)
        post.send(LETTER)
        await post.close()
    assert mail.taken == []
    assert not any(line.upper().startswith((b"MAIL", b"AUTH")) for line in mail.lines)


async def test_a_letter_waits_until_the_answer_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.post.PAUSE_SECONDS", 3600)
    post = Post(FolderCarrier(tmp_path, SENDER))
    post.send(LETTER)
    await asyncio.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
    # At the end of the process nothing waits any longer.
    await post.close()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("values", "is_open"),
    [({}, False), ({"mail_folder": "mail"}, True), ({"smtp_url": SecretStr("smtps://m")}, True)],
)
def test_is_open_where_the_settings_say_how(
    settings: Settings, values: dict[str, object], *, is_open: bool
) -> None:
    assert post_of(settings.model_copy(update=values)).is_open is is_open


async def test_an_address_with_a_line_break_starts_no_header(tmp_path: Path) -> None:
    carrier = FolderCarrier(tmp_path, SENDER)
    with pytest.raises(ValueError, match="linefeed"):
        await carrier.carry(Letter("a@example.com\nBcc: b@example.com", "A subject", "Text"))
