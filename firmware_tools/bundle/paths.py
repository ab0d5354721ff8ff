"""The names a file in a bundle may have: the same file on every file system, never outside the folder unpacked into.

Pure text rules; nothing is resolved, because there is nothing to resolve: no links, no `..`, no absolute names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from edge_sdk.errors import ConfigError

MAX_PATH_BYTES = 240
MAX_NAME_BYTES = 120
MAX_DEPTH = 8
#: What Windows and FAT keep for themselves; a bundle may lie on such a disk on its way.
_FORBIDDEN = re.compile(r'[\\:*?"<>|]')


def path_mistake(path: str) -> str | None:
    """Return what is wrong with a path, or None."""
    try:
        size = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        return "is not Unicode"
    if not path or size > MAX_PATH_BYTES:
        return f"has {size} bytes, expected 1 to {MAX_PATH_BYTES}"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in path):
        return "has a control character"
    if _FORBIDDEN.search(path):
        return 'has one of the characters \\ : * ? " < > |'
    if unicodedata.normalize("NFC", path) != path:
        return "is not in Unicode normal form C"
    if path.startswith("/"):
        return "is absolute"
    names = path.split("/")
    if len(names) > MAX_DEPTH:
        return f"is deeper than {MAX_DEPTH} folders"
    return next((mistake for name in names if (mistake := _name_mistake(name))), None)


def _name_mistake(name: str) -> str | None:
    if name in ("", ".", ".."):
        return f"has a part {name!r}"
    if len(name.encode("utf-8")) > MAX_NAME_BYTES:
        return f"has a part longer than {MAX_NAME_BYTES} bytes"
    if name != name.strip(" ") or name.endswith("."):
        return "has a part that begins or ends with a space, or ends with a dot"
    return None


def check_paths(paths: Iterable[str]) -> None:
    """Refuse paths that cannot stand beside each other.

    Raises:
        ConfigError: a bad path, one twice, two that differ only in case, a file that is also a folder.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        if mistake := path_mistake(path):
            raise ConfigError(f"bundle: the path {path[:MAX_PATH_BYTES]!r} {mistake}")
        folded = _folded(path)
        if folded in files:
            problem = "stands there twice" if files[folded] == path else f"differs only in case from {files[folded]!r}"
            raise ConfigError(f"bundle: the path {path!r} {problem}")
        files[folded] = path
        names = path.split("/")[:-1]
        for depth in range(1, len(names) + 1):
            folder = "/".join(names[:depth])
            other = folders.setdefault(_folded(folder), folder)
            if other != folder:
                raise ConfigError(f"bundle: the folder {folder!r} differs only in case from {other!r}")
    for folded in files.keys() & folders.keys():
        raise ConfigError(f"bundle: {files[folded]!r} is a file and a folder")


def _folded(path: str) -> str:
    """Return what file systems that ignore case compare."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
