"""What can be set of the transports."""

from __future__ import annotations

from dataclasses import dataclass

MiB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """The limits and addresses of the transports; seconds and bytes."""

    path: str = "/graphql"
    """HTTP and WebSocket; event streams have ``/stream`` below it, too."""
    allowed_origins: tuple[str, ...] = ()
    """The other sites whose pages may call, ``https://shop.example``; "*" is any."""
    body_bytes: int = MiB
    """The longest body of a request over HTTP."""
    message_bytes: int = MiB
    """The longest message of a socket's client."""
    init_seconds: float = 10
    """How soon after its opening a socket must have sent ``connection_init``."""
    ping_seconds: float = 20
    """How often a socket is pinged; one that stays silent for two of them is closed."""
    operations_per_socket: int = 100
    outbox_messages: int = 64
    """How many messages may wait for a client; its operations pause while so many do."""
    outbox_bytes: int = MiB
    """How many bytes may wait for a client, but one message always may."""
    slow_reader_seconds: float = 30
    """A client that reads nothing for so long while messages wait for it is closed."""
    heartbeat_seconds: float = 15
    """How often a silent event stream gets a comment, which keeps proxies from closing it."""
