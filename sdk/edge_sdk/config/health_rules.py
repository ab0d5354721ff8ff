"""The table `[health]` of a pipeline: when a new version of it is good enough to stay on a device.

[health]
gate_s = 120                      # a slow board, a large model
latency_p99_ms = 50
optional_sources = ["camera"]     # silent at night
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from edge_sdk.config.decode import decode
from edge_sdk.config.where import Where
from edge_sdk.registry import nearest


class HealthRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a device asks of a new version. Only updates look at it; `edge-sdk run` does not."""

    gate_s: Annotated[
        int, Meta(ge=1, le=3600, description="seconds it has to become healthy; after that the device goes back")
    ] = 60
    hold_s: Annotated[int, Meta(ge=0, le=3600, description="seconds it must stay healthy, at most gate_s")] = 10
    latency_p99_ms: Annotated[
        int, Meta(ge=0, le=3_600_000, description="most milliseconds from data to result (p99); 0 = not judged")
    ] = 0
    optional_sources: Annotated[
        tuple[str, ...], Meta(max_length=256, description="sources that may be silent; all others must deliver")
    ] = ()
    offline: Annotated[
        bool, Meta(description="results may wait for a broker that is not there; false = they must arrive")
    ] = True


def health_rules(table: object, where: Where, sources: Collection[str]) -> HealthRules:
    """Return the rules.

    Args:
        sources: the ids of the pipeline's sources.

    Raises:
        ConfigError: the message starts with the file and the key.
    """
    rules = decode(table, HealthRules, where)
    if rules.hold_s > rules.gate_s:
        if isinstance(table, dict) and "hold_s" in table:
            raise where.at("hold_s").error(f"expected at most gate_s ({rules.gate_s}), got {rules.hold_s}")
        rules = replace(rules, hold_s=rules.gate_s)
    for index, name in enumerate(rules.optional_sources):
        if name not in sources:
            known = sorted(sources)
            raise (
                where.at("optional_sources")
                .at(index)
                .error(f"there is no source {name!r}{nearest(name, known)} (known: {', '.join(known)})")
            )
    return rules
