"""Runs operations on the schema, in a context that is made fresh for each and always closed."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Self

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, OperationType
from graphql.execution import (
    Executor,
    create_source_event_stream,
    default_field_resolver,
    default_type_resolver,
    get_variable_values,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from domain.errors import InvalidInput
from graph.executor.execution import ColumnarExecutor, Tally
from graph.executor.plans import Plans
from graph.transport.completion import to_completion
from graph.transport.documents import Documents
from graph.transport.encoding import encoded_entry
from graph.transport.feed import Execute
from graph.transport.feeds import Feeds, Following, operation_key
from graph.transport.live import Entry, LiveSource, SharedContext
from graph.transport.operation import (
    ContextFactory,
    Credentials,
    OperationContext,
    OperationRequest,
    OperationResult,
    RefusedError,
    RequestInfo,
    executed,
    failed,
    refused,
    refused_with,
)
from graph.transport.streams import OpenStreams

MOST_VARIABLE_ERRORS = 50
"""How many faults of variables are told at once, as graphql-core does by itself."""


class ResponseStream:
    """The answers of one operation, which end with its context's closing: always ``aclose`` it.

    What others follow too comes as one `Following`, which goes into the transport's sink by itself.
    """

    def __init__(
        self, results: AsyncGenerator[OperationResult | Following, None], context: OperationContext
    ) -> None:
        self._results = results
        self._context = context

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> OperationResult | Following:
        return await anext(self._results)

    async def aclose(self) -> None:
        """Ends the operation; a source of events that is still open is closed first."""
        # A generator that was never started runs none of its own clean-up: the context's is here.
        await to_completion(self._closed())

    async def _closed(self) -> None:
        try:
            await self._results.aclose()
        finally:
            await self._context.close()


class Gateway:
    """The schema as the transports see it: operations go in, results come out.

    ``execution_context_class`` is Strawberry's own, which executes field by field, or a subclass of
    it; without one operations are executed by columns. ``document_cache_size`` is the number of
    parsed and validated documents that are kept.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        context_factory: ContextFactory,
        *,
        execution_context_class: type[StrawberryGraphQLCoreExecutionContext] | None = None,
        document_cache_size: int = 1000,
    ) -> None:
        self._schema = schema
        self._context_factory = context_factory
        self._executor_class = execution_context_class or ColumnarExecutor
        self._plans = Plans()
        self.tally = Tally()
        self._documents = Documents(schema, document_cache_size)
        self.streams = OpenStreams()
        self.feeds = Feeds()

    async def shutdown(self, seconds: float = 5) -> None:
        """Ends all sockets and event streams, so that their clients go on elsewhere.

        To be called when the process is told to stop, before the server waits for its connections:
        that wait would last as long as the longest event stream.
        """
        await self.streams.close(seconds)

    def operation_type(self, request: OperationRequest) -> OperationType | None:
        """Gives what kind of operation this is, None when the document is refused anyway."""
        operation = self._documents.get(request.query).operation(request.operation_name)
        return None if operation is None else operation.operation

    async def execute(
        self, request: OperationRequest, credentials: Credentials, info: RequestInfo
    ) -> OperationResult:
        """Executes a query or a mutation; a refusal or a fault is in the answer, never raised.

        When it returns, the context is closed. If its caller is cancelled, a query is cut short,
        while a mutation comes to its end: nobody could tell what was done of half a mutation.
        """
        try:
            context = self._context_factory(credentials, info)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is masked and logged)
            return refused(error, info.request_id)
        return await self._execute(request, context)

    def subscribe(
        self, request: OperationRequest, credentials: Credentials, info: RequestInfo
    ) -> ResponseStream:
        """Runs any operation as a stream: a result for each event, one for a query or mutation.

        A result with a ``refusal`` is the last one: the document was refused, or the source of
        events failed or ended with an expected error. Raises `RefusedError` for the caller itself.
        """
        try:
            context = self._context_factory(credentials, info)
        except Exception as error:
            raise RefusedError(refused(error, info.request_id)) from error
        if self.operation_type(request) is OperationType.SUBSCRIPTION:
            return ResponseStream(self._events(request, context), context)
        return ResponseStream(self._single(request, context), context)

    async def _single(
        self, request: OperationRequest, context: OperationContext
    ) -> AsyncGenerator[OperationResult, None]:
        yield await self._execute(request, context)

    async def _execute(
        self, request: OperationRequest, context: OperationContext
    ) -> OperationResult:
        try:
            try:
                if self.operation_type(request) is OperationType.MUTATION:
                    result = await to_completion(self._run(request, context))
                else:
                    result = await self._run(request, context)
            finally:
                await to_completion(context.close())
        except Exception as error:  # noqa: BLE001 (whatever it is, it is masked and logged)
            return failed(error, context.request_id)
        if context.failure is not None:
            return failed(context.failure, context.request_id)
        return result

    async def _run(self, request: OperationRequest, context: OperationContext) -> OperationResult:
        executor = self._executor(request, context)
        if isinstance(executor, list):
            return refused_with(executor, context.request_id)
        if executor.operation.operation is OperationType.SUBSCRIPTION:
            return refused(
                InvalidInput("A subscription needs a WebSocket or an event stream."),
                context.request_id,
            )
        outcome = await _completed(executor, serially=None)
        return executed(outcome.data, outcome.errors, context.request_id)

    async def _events(
        self, request: OperationRequest, context: OperationContext
    ) -> AsyncGenerator[OperationResult | Following, None]:
        executor = self._executor(request, context)
        if isinstance(executor, list):
            yield refused_with(executor, context.request_id)
            return
        source: AsyncIterator[Any] | None = None
        live: LiveSource | None = None
        try:
            opened = create_source_event_stream(executor)
            if inspect.isawaitable(opened):
                opened = await opened
            if isinstance(opened, ExecutionResult):
                yield refused_with(opened.errors or [], context.request_id)
                return
            if isinstance(opened, LiveSource):
                live = opened
                # Nothing is held while the subscription follows what it shares with others.
                await to_completion(context.end_event())
                yield self._following(request, live, context.request_id)
                return
            source = aiter(opened)
            async for payload in source:
                event = executor.build_per_event_executor(payload)
                outcome = await _completed(event, serially=False)
                await to_completion(context.end_event())
                if context.failure is not None:
                    # To leave this event out and go on would lose it: the client resumes from the
                    # cursor that it has, and gets it again.
                    yield refused(_as_exception(context.failure), context.request_id)
                    return
                yield executed(outcome.data, outcome.errors, context.request_id)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is mapped, masked and logged)
            yield refused(error, context.request_id)
        finally:
            if live is not None:
                live.close()
            if source is not None and (close := getattr(source, "aclose", None)) is not None:
                await to_completion(close())

    def _following(
        self, request: OperationRequest, source: LiveSource, request_id: str
    ) -> Following:
        def begin(context: SharedContext) -> Execute:
            executor = self._executor(request, context)
            assert not isinstance(executor, list)  # noqa: S101 (it was built before for the source)

            async def execute(payload: object, place: int) -> Entry:
                outcome = await _completed(
                    executor.build_per_event_executor(payload), serially=False
                )
                result = executed(outcome.data, outcome.errors, context.request_id)
                return encoded_entry(result, context.request_id, place)

            return execute

        document = self._documents.get(request.query).node
        operation = operation_key(request, document)
        return Following(self.feeds, source, operation, begin, request_id)

    def _executor(
        self, request: OperationRequest, context: OperationContext | SharedContext
    ) -> Executor[Any] | list[GraphQLError]:
        document = self._documents.get(request.query)
        if document.errors:
            return list(document.errors)
        operation = document.operation(request.operation_name)
        if operation is None:
            # graphql-core knows how to say what is wrong with the name.
            return self._executor_class.build(
                self._schema, document.node, operation_name=request.operation_name
            )
        variables = get_variable_values(
            self._schema,
            operation.variable_definitions or (),
            request.variables or {},
            max_errors=MOST_VARIABLE_ERRORS,
        )
        if isinstance(variables, list):
            return variables
        context.begin(document)
        planned: dict[str, Any] = {}
        if issubclass(self._executor_class, ColumnarExecutor):
            choices = tuple(variables.coerced.get(name) for name in document.choosing)
            planned = {"plan": self._plans.get(operation, choices), "tally": self.tally}
        return self._executor_class(
            self._schema,
            {name: fragment.definition for name, fragment in document.fragments.items()},
            document.fragments,
            None,
            context,
            operation,
            variables,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            operation_extensions=request.extensions,
            **planned,
        )


async def _completed(executor: Executor[Any], *, serially: bool | None) -> ExecutionResult:
    outcome = executor.execute_operation(serially)
    if inspect.isawaitable(outcome):
        outcome = await outcome
    if not isinstance(outcome, ExecutionResult):
        message = "the schema has @defer or @stream, which the transports don't deliver"
        raise TypeError(message)
    return outcome


def _as_exception(failure: BaseException) -> Exception:
    return failure if isinstance(failure, Exception) else RuntimeError(repr(failure))
