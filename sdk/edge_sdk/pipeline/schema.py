"""JSON Schema of pipeline files, made from the tables and the options of their rows.

python -m edge_sdk.pipeline.schema > pipeline.schema.json
"""

from __future__ import annotations

import json
from typing import Any

from edge_sdk.config.schema import pipeline_schema
from edge_sdk.pipeline.steps import STEPS
from edge_sdk.publish import SINKS
from edge_sdk.registry import Registry
from edge_sdk.sensors import SENSORS


def json_schema() -> dict[str, Any]:
    """Return the schema, for editors."""
    return pipeline_schema(_options(SENSORS), _options(STEPS), _options(SINKS))


def _options(table: Registry) -> dict[str, type[Any]]:
    return {name: table.load(name).Options for name in table}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
