"""Which media type answers a request, by its ``Accept`` header."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
HTML = "text/html"

# A browser's header has some 130 characters. A longer one than this is read as missing.
LONGEST_ACCEPT = 1000


@lru_cache(maxsize=512)
def acceptable(accept: str, offers: Sequence[str]) -> tuple[str, ...]:
    """Gives the offers that the header takes, the preferred first, per RFC 9110 section 12.5.1.

    Equal ones come in the header's order. A missing header and a wildcard take the first offer,
    which is plain JSON where there is any: GraphQL over HTTP asks for it.
    """
    if not accept or len(accept) > LONGEST_ACCEPT:
        return (offers[0],)
    qualities: dict[str, tuple[float, int]] = {}
    for place, part in enumerate(accept.lower().split(",")):
        media, _, parameters = part.partition(";")
        media = media.strip()
        if media.endswith("/*"):
            kind = "" if media == "*/*" else media[:-1]
            media = next((offer for offer in offers if offer.startswith(kind)), "")
        if media in offers and media not in qualities:
            qualities[media] = (_quality(parameters), -place)
    taken = [media for media, (quality, _) in qualities.items() if quality > 0]
    return tuple(sorted(taken, key=lambda media: qualities[media], reverse=True))


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0
    return 1


@lru_cache(maxsize=128)
def is_json(content_type: str) -> bool:
    """Tells whether a request's content type is JSON in UTF-8."""
    media, _, parameters = content_type.lower().partition(";")
    if media.strip() != JSON:
        return False
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(" \"'") not in {"utf-8", "utf8"}:
            return False
    return True
