"""What a measurement chose for a module on this machine; `engine="auto"` follows it.

    <cache folder>/choice_<sha256 of the module>.<sha256 of the file>.json

The folder is private, see `cache`. A choice that another machine made (a card moved to another board) does not count.
"""

from __future__ import annotations

import platform
from pathlib import Path

import msgspec

from edge_sdk.abi import ISAS
from edge_sdk.board.probe import read_probe
from edge_sdk.errors import TransferError
from edge_sdk.runtime.cache import FileCache, cache_folder

SUFFIX = ".json"
MAX_BYTES = 4096


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An engine and why.

    Attributes:
        engine: "host" or "sandbox".
        isa: of the host's kernels, a name of kernels/abi/isa.def; the sandbox has its own.
        reason: the figures.
        machine: where they were measured.
    """

    engine: str
    isa: str
    reason: str
    machine: str


def this_machine() -> str:
    """Return what kind of processor this is, in words."""
    probe = read_probe()
    return f"{platform.machine()} {probe.cpu}"


def remember(module_sha256: str, choice: Choice) -> Path:
    """Store the choice for a module, in place of an earlier one; return where.

    Raises:
        TransferError: there is no folder for it.
    """
    folder, key = cache_folder(), _key(module_sha256)
    if folder is None:
        raise TransferError("there is no private cache folder", hint="set EDGE_SDK_CACHE to a folder of your own")
    try:
        for old in folder.glob(f"{key}.*{SUFFIX}"):
            old.unlink(missing_ok=True)
        return FileCache(folder).put(key, SUFFIX, msgspec.json.encode(choice))
    except OSError as error:
        raise TransferError(f"{folder}: {error.strerror}") from error


def recall(module_sha256: str) -> Choice | None:
    """Return the choice for a module; None where nobody measured it here."""
    folder = cache_folder()
    if folder is None:
        return None
    path = FileCache(folder).get(_key(module_sha256), SUFFIX)
    if path is None:
        return None
    try:
        choice = msgspec.json.decode(path.read_bytes()[:MAX_BYTES], type=Choice)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None
    known = choice.engine == "sandbox" or (choice.engine == "host" and choice.isa in ISAS.values())
    return choice if known and choice.machine == this_machine() else None


def _key(module_sha256: str) -> str:
    return f"choice_{module_sha256}"
