"""The parameters of an operation, read from what a client sent and checked for their shape."""

from __future__ import annotations

from urllib.parse import parse_qsl

import orjson

from domain.errors import InvalidInput
from graph.transport.operation import OperationRequest

# The most parameters that a request's address may have; four are known.
ADDRESS_PARAMETERS = 32


def from_body(body: bytes) -> OperationRequest:
    """Reads the JSON body of a POST; raises `InvalidInput`."""
    if not body.strip():
        raise InvalidInput('The body is empty: send a JSON object with "query".')
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not JSON: {error}.") from error
    request = from_json(value)
    # A NUL is always this escape in JSON: most bodies need no search.
    if b"\\u0000" in body:
        refuse_nul(request)
    return request


def from_address(query_string: bytes) -> OperationRequest:
    """Reads the parameters in the address of a GET; raises `InvalidInput`."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=ADDRESS_PARAMETERS,
        )
    except ValueError as error:
        raise InvalidInput("The parameters in the address can't be read.") from error
    given: dict[str, object] = dict(pairs)
    for name in ("variables", "extensions"):
        text = given.get(name)
        if isinstance(text, str):
            try:
                given[name] = orjson.loads(text) if text else None
            except orjson.JSONDecodeError as error:
                raise InvalidInput(f'The parameter "{name}" is not JSON: {error}.') from error
    request = from_json(given)
    refuse_nul(request)
    return request


def from_json(value: object) -> OperationRequest:
    """Checks the shape of an operation's parameters; raises `InvalidInput`."""
    if isinstance(value, list):
        raise InvalidInput("Batches are not supported: send one operation in a request.")
    if not isinstance(value, dict):
        raise InvalidInput('The parameters must be a JSON object with "query".')
    query = value.get("query")
    if query is None:
        raise InvalidInput('The parameter "query" is missing.')
    if not isinstance(query, str):
        raise InvalidInput('The parameter "query" must be a string.')
    name = value.get("operationName")
    if name is not None and not isinstance(name, str):
        raise InvalidInput('The parameter "operationName" must be a string or null.')
    variables = value.get("variables")
    if variables is not None and not isinstance(variables, dict):
        raise InvalidInput('The parameter "variables" must be an object or null.')
    extensions = value.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise InvalidInput('The parameter "extensions" must be an object or null.')
    return OperationRequest(query, name, variables, extensions)


def refuse_nul(request: OperationRequest) -> None:
    """Raises `InvalidInput` for a NUL character, which PostgreSQL's text can't hold.

    Those in the document itself are found when it is validated.
    """
    # Without recursion, which a deep value would use up.
    unseen: list[object] = [request.operation_name, request.variables, request.extensions]
    while unseen:
        item = unseen.pop()
        if isinstance(item, str):
            if "\0" in item:
                raise InvalidInput("The parameters must not contain a NUL character.")
        elif isinstance(item, dict):
            unseen.extend(item)
            unseen.extend(item.values())
        elif isinstance(item, list):
            unseen.extend(item)
