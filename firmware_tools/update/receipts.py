"""What was done to an application, the last of it: numbered files that the operator's side fills."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from edge_sdk.errors import UsageError
from firmware_tools.sign import durable
from firmware_tools.update.folders import entries, make_folders, writing

KEPT = 20
MAX_BYTES = 256 * 1024
_NUMBERED = re.compile(r"\d{6,12}\.json")


def keep_receipt(folder: Path, receipt: dict[str, Any]) -> str:
    """Write a receipt and return its file's name; one that was written last time is not written again.

    Raises:
        UsageError: it is too large to be kept.
    """
    data = json.dumps(receipt, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"
    if len(data) > MAX_BYTES:
        raise UsageError(f"a receipt of {len(data):,} bytes: expected at most {MAX_BYTES:,}")
    make_folders(folder)
    known = sorted((one for one in entries(folder) if _NUMBERED.fullmatch(one.name)), key=lambda one: int(one.stem))
    if known and known[-1].stat().st_size == len(data) and durable.read(known[-1], MAX_BYTES) == data:
        return known[-1].name
    path = folder / f"{int(known[-1].stem) + 1 if known else 1:06d}.json"
    durable.write(path, data)
    with writing(folder):
        for old in known[: max(0, len(known) + 1 - KEPT)]:
            old.unlink(missing_ok=True)
    return path.name
