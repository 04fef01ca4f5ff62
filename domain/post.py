"""Letters to people: handed over at once, carried beside whatever asked for them.

Whoever asks never waits for a letter, so how long an answer takes tells nothing of whether one was
written. What is in a letter is in no log: it may hold a code.
"""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

if TYPE_CHECKING:
    from pathlib import Path

    from domain.settings import Settings

log = logging.getLogger(__name__)

TRIES = 3
PAUSE_SECONDS = 1.0
"""How long letters wait at first, so that the answer to whoever asked is long gone by then."""
RETRY_SECONDS = 5.0
SMTP_SECONDS = 20.0
CLOSE_SECONDS = 10.0
MOST_WAITING = 1000

PORTS = {"smtps": 465, "smtp": 587, "smtp-plain": 25}


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter in plain text to one address."""

    recipient: str
    subject: str
    text: str


class Carrier(Protocol):
    """Brings letters to a mail server, or wherever they go instead."""

    async def carry(self, letter: Letter) -> None:
        """Brings one letter. Raises OSError or `smtplib.SMTPException` when it can't."""


class SmtpCarrier:
    """Sends letters through a mail server.

    ``smtps`` is TLS from the start, ``smtp`` begins TLS with STARTTLS and goes no further without
    it, and ``smtp-plain`` is for a relay on the same machine.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        self._scheme = parts.scheme
        self._host = parts.hostname or "localhost"
        self._port = parts.port or PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender

    async def carry(self, letter: Letter) -> None:
        """Sends one letter over a connection of its own."""
        await asyncio.to_thread(self._send, letter)

    def _send(self, letter: Letter) -> None:
        message = as_message(letter, self._sender)
        with self._connected() as server:
            if self._scheme == "smtp":
                server.starttls(context=ssl.create_default_context())
            if self._user:
                server.login(self._user, self._password)
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        if self._scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, timeout=SMTP_SECONDS, context=context)
        return smtplib.SMTP(self._host, self._port, timeout=SMTP_SECONDS)


class FolderCarrier:
    """Writes letters into a folder that its owner alone can read, for development."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def carry(self, letter: Letter) -> None:
        """Writes one letter, as a file that mail programs open."""
        await asyncio.to_thread(self._write, letter)

    def _write(self, letter: Letter) -> None:
        content = bytes(as_message(letter, self._sender))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{uuid4()}.eml"
        path.touch(mode=0o600)
        path.write_bytes(content)


class Post:
    """Carries a process's letters one after the other, beside everything else."""

    def __init__(self, carrier: Carrier | None, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._carrier = carrier
        self._retry_seconds = retry_seconds
        self._waiting: asyncio.Queue[Letter] = asyncio.Queue(MOST_WAITING)
        self._carrying: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether letters can be sent at all."""
        return self._carrier is not None

    def send(self, letter: Letter) -> None:
        """Hands a letter over. It is lost, and that is logged, when too many wait already."""
        try:
            self._waiting.put_nowait(letter)
        except asyncio.QueueFull:
            # What was raised tells nothing that this does not.
            log.error("a letter was lost: %s wait already", MOST_WAITING)  # noqa: TRY400
            return
        if self._carrying is None or self._carrying.done():
            self._carrying = asyncio.create_task(self._carry_all())

    async def close(self) -> None:
        """Waits a moment for what is still to be carried."""
        self._closing.set()
        if self._carrying is not None:
            done, _ = await asyncio.wait([self._carrying], timeout=CLOSE_SECONDS)
            if not done:
                self._carrying.cancel()
                await asyncio.wait([self._carrying])

    async def _carry_all(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_SECONDS):
                await self._closing.wait()
        while not self._waiting.empty():
            await self._carry(self._waiting.get_nowait())

    async def _carry(self, letter: Letter) -> None:
        assert self._carrier is not None  # noqa: S101 (whoever sends has asked whether it is open)
        for left in reversed(range(TRIES)):
            try:
                await self._carrier.carry(letter)
            except (OSError, smtplib.SMTPException) as error:
                # A server's words may repeat the address, so only their kind is told.
                log.warning("a letter was not taken: %s", type(error).__name__)
                if left:
                    await asyncio.sleep(self._retry_seconds)
            else:
                return
        log.error("a letter was lost after %s tries", TRIES)


def post_of(settings: Settings) -> Post:
    """The post that the settings ask for; it is closed when they name nothing."""
    if settings.smtp_url is not None:
        return Post(SmtpCarrier(settings.smtp_url.get_secret_value(), settings.mail_from))
    if settings.mail_folder is not None:
        return Post(FolderCarrier(settings.mail_folder, settings.mail_from))
    return Post(None)


def as_message(letter: Letter, sender: str) -> EmailMessage:
    """The letter in the form of RFC 5322. Raises ValueError for an address with a line break."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = letter.recipient
    message["Subject"] = letter.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip(">") or None)
    message.set_content(letter.text)
    return message
