"""The pages that people open in a browser: GraphiQL, built by Vite from ``web/``.

Nothing that a page needs comes from another server, and a strict Content-Security-Policy holds it
to that: no script but the built files, nothing inline, nothing evaluated.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

PAGE = "/graphiql"
NOT_BUILT = "The pages are not built yet. Run ./aetherflow setup, then reload this page.\n"

# Monaco, the editor inside GraphiQL, draws each line as HTML whose style attributes place it, and
# makes style elements for themes and decorations; it knows no nonces. So styles may be inline:
# they can't run anything, and 'none' by default leaves them no address to send anything to.
CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "font-src": "'self' data:",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}

# Assets carry them too: a worker obeys the policy that came with its own file.
SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(
        f"{directive} {sources}" for directive, sources in CONTENT_SECURITY_POLICY.items()
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

# Written down because the system's table differs between machines, and nosniff makes it count.
MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}


def page_routes(dist: Path) -> list[BaseRoute]:
    """Gives the routes of the pages built in `dist`, and of ``/``, which leads to GraphiQL.

    While `dist` is not built, GraphiQL answers 503 with a sentence that says how to build it.
    """

    def page(_request: Request) -> Response:
        index = dist / "index.html"
        if not index.is_file():
            return _plain(NOT_BUILT, 503)
        # It names assets by their content's hash, so a browser asks for it anew each time.
        headers = SECURITY_HEADERS | {"Cache-Control": "no-cache"}
        return FileResponse(index, media_type="text/html", headers=headers)

    def asset(request: Request) -> Response:
        file = dist / "assets" / request.path_params["name"]
        media_type = MEDIA_TYPES.get(file.suffix)
        if media_type is None or not file.is_file():
            return _plain("There is no such file.\n", 404)
        headers = SECURITY_HEADERS | {
            "Cache-Control": "public, max-age=31536000, immutable",
            "Vary": "Accept-Encoding",
        }
        if _takes_gzip(request):
            # The build has put it there, so no request waits for compression.
            file = file.with_name(file.name + ".gz")
            headers["Content-Encoding"] = "gzip"
        return FileResponse(file, media_type=media_type, headers=headers)

    return [
        Route("/", graphiql_page, methods=["GET"]),
        Route(PAGE, page, methods=["GET"]),
        # One segment: a name with a slash in it, encoded or not, matches no route.
        Route("/assets/{name}", asset, methods=["GET"]),
    ]


async def graphiql_page(_request: Request) -> Response:
    """Leads a browser to GraphiQL, from ``/`` and from a GET of ``/graphql`` that accepts HTML."""
    # Other clients get other answers from the same address, so no cache may mix them up.
    headers = SECURITY_HEADERS | {"Cache-Control": "no-store", "Vary": "Accept"}
    return RedirectResponse(PAGE, status_code=303, headers=headers)


def _takes_gzip(request: Request) -> bool:
    for coding in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = coding.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or weight == ""
    return False


def _plain(text: str, status: int) -> Response:
    headers = SECURITY_HEADERS | {"Cache-Control": "no-store"}
    return PlainTextResponse(text, status, headers=headers)
