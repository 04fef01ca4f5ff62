"""The ASGI application: the graph over its transports, and the pages."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from starlette.applications import Starlette
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from domain.database import Database
from domain.identity.oidc import Provider
from domain.identity.tokens import Tokens
from domain.places import ProcessPlaces
from domain.post import post_of
from domain.storage import Storage
from graph.admission import admitted
from graph.context import Context, Parts
from graph.identity.sign_in import CALLBACK, sign_in_routes
from graph.schema import schema
from graph.transport.gateway import Gateway
from graph.transport.operation import Admission, Credentials
from graph.transport.options import TransportOptions
from graph.transport.pages import graphiql_page, page_routes
from graph.transport.routes import graphql_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from domain.bell import Bell
    from domain.errors import DomainError
    from domain.places import Places
    from domain.settings import Settings

PAGES = Path(__file__).resolve().parent.parent / "web" / "dist"


def execution_of(settings: Settings) -> type[StrawberryGraphQLCoreExecutionContext] | None:
    """What executes operations, None for the gateway's own choice."""
    return StrawberryGraphQLCoreExecutionContext if settings.execution == "fields" else None


def create_app(
    settings: Settings,
    bell: Bell,
    places: Places | None = None,
    *,
    executor: type[StrawberryGraphQLCoreExecutionContext] | None = None,
) -> Starlette:
    """Builds the application; it connects at startup and refuses a database that is unfit.

    ``places`` counts what callers hold open; without it this process counts for itself.
    ``executor`` runs the operations in place of the gateway's own choice.
    """
    client = httpx.AsyncClient()
    providers = tuple(
        Provider(provider, f"{settings.public_url}{CALLBACK}", client)
        for provider in settings.oidc_providers
    )
    parts = Parts(
        settings,
        Database(settings),
        Storage(settings),
        bell,
        Tokens(settings),
        places or ProcessPlaces(),
        post_of(settings),
        providers,
    )
    gateway = Gateway(
        schema()._schema,  # noqa: SLF001 (graphql-core's schema has no public name in Strawberry)
        lambda credentials, request: Context(parts, credentials, request),
        execution_context_class=executor or execution_of(settings),
    )
    options = TransportOptions(allowed_origins=settings.allowed_origins)

    async def check(
        credentials: Credentials, address: str | None, ended: Callable[[DomainError], None]
    ) -> Admission:
        return await admitted(parts, credentials, address, ended)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await parts.database.open()
        await parts.storage.open()
        try:
            yield
        finally:
            await gateway.shutdown()
            await parts.post.close()
            await client.aclose()
            await parts.storage.close()
            await parts.database.close()

    app = Starlette(
        routes=[
            *graphql_routes(gateway, options, page=graphiql_page, check=check),
            *sign_in_routes(parts),
            *page_routes(PAGES),
        ],
        lifespan=lifespan,
    )
    # The server ends what lasts through the gateway, and needs the transports' limits.
    app.state.gateway = gateway
    app.state.options = options
    return app
