"""Checks documents against the schemas in `docs/schemas`, which use a small part of JSON Schema.

A keyword that is not known here fails the check, so a schema can't promise what nobody looks at.
"""

from __future__ import annotations

import json
import re
from typing import Any

from workers.bubblewrap import PROJECT

FOLDER = PROJECT / "docs" / "schemas"
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
SPEAKING = {"$schema", "$id", "$defs", "title", "description"}
KNOWN = SPEAKING | {
    "$ref",
    "type",
    "const",
    "enum",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
}


def faults(name: str, document: object) -> list[str]:
    """Gives what is wrong with a document by the schema of that name; nothing if it fits."""
    schema = json.loads((FOLDER / name).read_text("utf-8"))
    return list(_faults(schema, document, schema, "$"))


def _faults(schema: dict[str, Any], value: Any, root: dict[str, Any], at: str) -> list[str]:
    reference = schema.get("$ref")
    if reference is not None and not reference.startswith("#/$defs/"):
        return [f"{at}: {fault}" for fault in faults(reference, value)]
    if reference is not None:
        return _faults(root["$defs"][reference.rpartition("/")[2]], value, root, at)
    found = [f"{at}: {what}" for what in _own_faults(schema, value)]
    if not found and isinstance(value, dict):
        for key, inner in value.items():
            below = schema.get("properties", {}).get(key, schema.get("additionalProperties", True))
            if below is False:
                found.append(f"{at}: {key} is not allowed")
            elif below is not True:
                found += _faults(below, inner, root, f"{at}.{key}")
    if not found and isinstance(value, list) and "items" in schema:
        for place, inner in enumerate(value):
            found += _faults(schema["items"], inner, root, f"{at}[{place}]")
    return found


def _own_faults(schema: dict[str, Any], value: Any) -> list[str]:
    kinds = schema.get("type", [])
    allowed = [kinds] if isinstance(kinds, str) else kinds
    of_kind = not allowed or any(
        isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
        for kind in allowed
    )
    size = len(value) if isinstance(value, str | list) else 0
    least = schema.get("minLength", 0) if isinstance(value, str) else schema.get("minItems", 0)
    most = schema.get("maxLength", size) if isinstance(value, str) else schema.get("maxItems", size)
    checks = {
        "its unknown keywords": set(schema) <= KNOWN,
        "type": of_kind,
        "const": "const" not in schema or value == schema["const"],
        "enum": "enum" not in schema or value in schema["enum"],
        "required": not isinstance(value, dict) or set(schema.get("required", ())) <= set(value),
        "size": least <= size <= most if isinstance(value, str | list) else True,
        "pattern": not isinstance(value, str) or re.search(schema.get("pattern", ""), value),
        "minimum": not isinstance(value, int | float) or value >= schema.get("minimum", value),
    }
    return [f"{value!r:.80} fails {name}" for name, holds in checks.items() if not holds]
