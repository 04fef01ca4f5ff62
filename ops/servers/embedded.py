"""The three servers together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ops.servers.postgres import Postgres
from ops.servers.redis import Redis
from ops.servers.s3 import BUCKET, S3

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from ops.servers.folder import DataFolder


class EmbeddedServers:
    """Those of PostgreSQL, Redis and S3 that were not given from outside."""

    def __init__(
        self,
        folder: DataFolder,
        *,
        postgres: bool = True,
        redis: bool = True,
        s3: bool = True,
        host: str = "127.0.0.1",
        buckets: Iterable[str] = (BUCKET,),
        durable: bool = True,
    ) -> None:
        """Describes the servers; ``host`` is where S3 listens, the others keep to loopback."""
        self.postgres = Postgres(folder, durable=durable) if postgres else None
        self.redis = Redis(folder, durable=durable) if redis else None
        self.s3 = S3(folder, host=host, buckets=buckets) if s3 else None

    @property
    def all(self) -> list[Postgres | Redis | S3]:
        """The servers that there are."""
        return [server for server in (self.postgres, self.redis, self.s3) if server is not None]

    async def start(self) -> None:
        """Starts all at once. When one fails the others are stopped again; raises ServerFailed."""
        started = await asyncio.gather(*(each.start() for each in self.all), return_exceptions=True)
        faults = [fault for fault in started if isinstance(fault, BaseException)]
        if faults:
            await self.stop()
            raise faults[0]

    async def stop(self) -> None:
        """Stops all at once."""
        await asyncio.gather(*(each.stop() for each in self.all))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
