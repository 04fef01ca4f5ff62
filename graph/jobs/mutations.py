"""Starting, cancelling and retrying jobs."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from domain.errors import InvalidInput
from domain.jobs import actions, models
from graph.context import Info
from graph.jobs.inputs import CancelJobInput, RetryJobInput, StartJobInput
from graph.jobs.types import Job
from graph.nodes import changed
from graph.scalars import key_of


@strawberry.type(description="What startJob answers.")
class StartJobPayload:
    """The new job."""

    job: Job = strawberry.field(description="The job that was started.")


@strawberry.type(description="What cancelJob answers.")
class CancelJobPayload:
    """The job as it is now."""

    job: Job = strawberry.field(description="The job: cancelled if it waited, else asked to stop.")


@strawberry.type(description="What retryJob answers.")
class RetryJobPayload:
    """The new job."""

    job: Job = strawberry.field(description="The new job, which does the old one again.")


@strawberry.type
class JobMutations:
    """Root fields that change jobs."""

    @strawberry.mutation(description="Starts a job on a dataset.")
    async def start_job(
        self,
        info: Info,
        input: Annotated[StartJobInput, strawberry.argument(description="What to start.")],
    ) -> StartJobPayload:
        """Needs job:start in the dataset's department."""
        async with info.context.work() as work:
            job_id = await actions.start_job(
                work,
                key_of("Dataset", input.dataset_id),
                models.JobType(input.job_type.value),
                params=_object(input.params),
                priority=input.priority,
                idempotency_key=input.idempotency_key,
            )
        return StartJobPayload(job=await changed(info, models.Job, job_id))

    @strawberry.mutation(
        description="Cancels a job that waits, and asks the worker of a running one to stop."
    )
    async def cancel_job(
        self,
        info: Info,
        input: Annotated[CancelJobInput, strawberry.argument(description="What to cancel.")],
    ) -> CancelJobPayload:
        """Needs job:cancel in the job's department."""
        job_id = key_of("Job", input.job_id)
        async with info.context.work() as work:
            await actions.cancel_job(work, job_id)
        return CancelJobPayload(job=await changed(info, models.Job, job_id))

    @strawberry.mutation(description="Does a failed or cancelled job again, as a new job.")
    async def retry_job(
        self,
        info: Info,
        input: Annotated[RetryJobInput, strawberry.argument(description="What to do again.")],
    ) -> RetryJobPayload:
        """Needs job:start in the job's department."""
        async with info.context.work() as work:
            job_id = await actions.retry_job(
                work, key_of("Job", input.job_id), idempotency_key=input.idempotency_key
            )
        return RetryJobPayload(job=await changed(info, models.Job, job_id))


def _object(params: Any) -> dict[str, Any] | None:
    if params is None or isinstance(params, dict):
        return params
    raise InvalidInput.at("params", "The parameters of a job are a JSON object.")
