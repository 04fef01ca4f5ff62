"""Following jobs live: a snapshot, then what was missed, then what happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import strawberry

from domain.errors import InvalidInput
from domain.jobs import models
from domain.jobs.reads import Topic
from graph.context import Info
from graph.jobs.inputs import JobStatus
from graph.jobs.stream import JobStream
from graph.jobs.types import Job
from graph.scalars import key_of


@strawberry.enum(description="What an event of a job tells.")
class JobEventKind(Enum):
    """The kinds of the log, and the snapshot that a stream without a cursor starts with."""

    SNAPSHOT = strawberry.enum_value("snapshot", description="How the job stood at the start.")
    STATUS = strawberry.enum_value("status", description="The job's status changed.")
    PROGRESS = strawberry.enum_value("progress", description="The job came further.")
    STEP = strawberry.enum_value("step", description="The job began another step.")
    MESSAGE = strawberry.enum_value("message", description="Something worth knowing happened.")


@strawberry.type(description="One event of a job, in the order in which events were committed.")
class JobEvent:
    """A row of `job_events`, or a job as the snapshot found it."""

    cursor: str = strawberry.field(
        description="The place of this event: give it as `after` to go on from here."
    )
    kind: JobEventKind = strawberry.field(description="What the event tells.")
    at: datetime = strawberry.field(description="When it happened.")
    status: JobStatus | None = strawberry.field(
        description="The status that the job took, where that is what the event tells."
    )
    progress: int | None = strawberry.field(description="How far the job was, in percent.")
    step: str | None = strawberry.field(description="What the job was doing.")
    message: str | None = strawberry.field(description="What happened, as a sentence.")

    @strawberry.field(description="The job as it is now; null once it can no longer be seen.")
    async def job(self, info: Info) -> Job | None:
        """Loads the job in the snapshot that the event was read in."""
        event: Any = self
        return await info.context.loaders.one(models.Job, event.job_id)  # type: ignore[return-value]


@strawberry.type
class JobSubscriptions:
    """Root fields that stream."""

    @strawberry.subscription(
        description=(
            "Streams the events of one job, of the jobs of one dataset, or of the active jobs of "
            "one department and all below it. It starts with a snapshot, or with `after` with "
            "what came after that cursor. The stream of one job ends when the job does."
        )
    )
    async def job_events(
        self,
        info: Info,
        job_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The job to follow.")
        ] = None,
        dataset_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The dataset whose jobs to follow."),
        ] = None,
        department: Annotated[
            str | None,
            strawberry.argument(
                description="The code or id of the department whose jobs to follow."
            ),
        ] = None,
        after: Annotated[
            str | None,
            strawberry.argument(description="The cursor of the last event that was received."),
        ] = None,
    ) -> AsyncGenerator[JobEvent, None]:
        """Needs job:read; exactly one of the three topics is given."""
        if sum(given is not None for given in (job_id, dataset_id, department)) != 1:
            raise InvalidInput.at("jobId", "Give one of jobId, datasetId and department.")
        if job_id is not None:
            topic = Topic("job_id", key_of("Job", job_id))
        elif dataset_id is not None:
            topic = Topic("dataset_id", key_of("Dataset", dataset_id))
        else:
            topic = Topic("scope")
        return await JobStream.opened(  # type: ignore[return-value]
            info.context,
            topic,
            department=department,
            after=after or info.context.request.last_event_id,
        )

    @strawberry.subscription(
        description="Streams a job each time its status changes, starting with how it stands."
    )
    async def job_status_changed(
        self,
        info: Info,
        job_id: Annotated[strawberry.ID, strawberry.argument(description="The job to follow.")],
    ) -> AsyncGenerator[Job, None]:
        """Needs job:read."""
        topic = Topic("job_id", key_of("Job", job_id))
        return await JobStream.opened(info.context, topic, only_statuses=True)  # type: ignore[return-value]
