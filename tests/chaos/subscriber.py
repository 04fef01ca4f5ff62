"""A subscriber over a WebSocket, which goes on after its last cursor whenever it is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.identity.tokens import Tokens
from domain.jobs.reads import Cursor
from ops.client import Client

if TYPE_CHECKING:
    from domain.settings import Settings
    from ops.client import Access

FOLLOW = """
subscription ($department: String, $jobId: ID, $after: String) {
  jobEvents(department: $department, jobId: $jobId, after: $after) {
    cursor kind status progress message job { id status }
  }
}
"""


class Subscriber:
    """Follows one department, and notes the number of each event that it was given."""

    def __init__(self, url: str, settings: Settings, access: Access, department: str) -> None:
        self._url = url
        self._tokens = Tokens(settings)
        self._access = access
        self.department = department
        self.start = 0
        self.seen: list[int] = []

    async def begin_after(self, job_id: str) -> None:
        """Takes the last event of a job that is over as the place to begin at."""
        async with Client(self._url, self._access) as client:
            async for event in client.follow(FOLLOW, {"jobId": job_id}):
                self._cursor = event["cursor"]
        self.start = self._number(self._cursor)

    async def follow(self) -> None:
        """Follows until it is cancelled."""
        given: dict[str, Any] = {"department": self.department, "after": self._cursor}
        async with Client(self._url, self._access) as client:
            async for event in client.follow(FOLLOW, given):
                self.seen.append(self._number(event["cursor"]))

    def _number(self, cursor: str) -> int:
        return Cursor.parsed(self._tokens.unsealed(cursor)).event_id
