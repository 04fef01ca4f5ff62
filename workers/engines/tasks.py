"""The tasks that the child knows, by name, and where each is."""

from __future__ import annotations

TASKS = {
    "validation": "workers.engines.validation:validate",
    "etl": "workers.engines.etl:convert",
    "ml_inference": "workers.insights.insight:make_insight",
}
