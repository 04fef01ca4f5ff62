"""Every table of every area, found as files are, so that none can be forgotten."""

from __future__ import annotations

import importlib
from pathlib import Path

import domain
from domain.models import Base

FOLDER = Path(domain.__file__).parent

for path in sorted(FOLDER.glob("*/models.py")):
    importlib.import_module(f"domain.{path.parent.name}.models")

MODELS: dict[str, type[Base]] = {
    model.__tablename__: model
    for model in sorted(
        (mapper.class_ for mapper in Base.registry.mappers), key=lambda model: model.__tablename__
    )
}
