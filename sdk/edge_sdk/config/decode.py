"""A TOML table becomes a msgspec Struct, or a complaint that a person can act on.

msgspec checks types and ranges; this module first looks for unknown and missing keys itself, at every depth, because
the nearest known key is what a writer with a typo needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import inspect

from edge_sdk.config.secret import Secret
from edge_sdk.config.toml_file import FromEnvironment
from edge_sdk.config.where import Where
from edge_sdk.errors import ConfigError
from edge_sdk.registry import nearest

T = TypeVar("T")

#: Python's word -> TOML's word.
_WORDS = {
    "array": "an array",
    "bool": "true or false",
    "date": "a date",
    "datetime": "a date-time",
    "dict": "a table",
    "float": "a number",
    "int": "an integer",
    "list": "an array",
    "null": "nothing",
    "object": "a table",
    "str": "a string",
    "time": "a time",
}
_AT = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]")


def decode(table: object, kind: type[T], where: Where) -> T:
    """Return `table` as a `kind`.

    Raises:
        ConfigError: an unknown key, a missing key, a wrong type or a value out of range; it starts with `where`.
    """
    _check(table, inspect.type_info(kind), where)
    try:
        return msgspec.convert(table, kind, dec_hook=_secret)
    except msgspec.ValidationError as fault:
        raise _complaint(str(fault), where) from None


def check_keys(table: object, known: Iterable[str], required: Iterable[str], where: Where) -> Mapping[str, object]:
    """Check the keys of one table, nearest known key included in the complaint; return the table."""
    names = list(known)
    if not isinstance(table, Mapping):
        raise where.error(f"expected a table, got {_word_of(table)}")
    for key in table:
        if key not in names:
            listed = ", ".join(sorted(names)) or "none"
            raise where.at(key).error(f"unknown key{nearest(key, names)} (known keys: {listed})")
    for key in required:
        if key not in table:
            raise where.at(key).error("this key is missing")
    return table


def _check(value: object, info: inspect.Type, where: Where) -> None:
    """Look for unknown and missing keys in every table that a Struct describes."""
    match info:
        case inspect.Metadata():
            _check(value, info.type, where)
        case inspect.StructType():
            required = [field.encode_name for field in info.fields if field.required]
            table = check_keys(value, [field.encode_name for field in info.fields], required, where)
            for field in info.fields:
                if field.encode_name in table:
                    _check(table[field.encode_name], field.type, where.at(field.encode_name))
        case inspect.ListType() | inspect.VarTupleType() if isinstance(value, list):
            for index, item in enumerate(value):
                _check(item, info.item_type, where.at(index))
        case inspect.DictType() if not isinstance(value, dict):
            raise where.error(f"expected a table, got {_word_of(value)}")
        case inspect.DictType() if isinstance(value, dict):
            for key, item in value.items():
                _check(item, info.value_type, where.at(key))
        case inspect.UnionType() if isinstance(value, dict):
            for choice in info.types:
                if isinstance(choice, inspect.StructType):
                    _check(value, choice, where)


def _secret(kind: type, value: object) -> object:
    if kind is not Secret:
        raise NotImplementedError(f"no rule to read a {kind.__name__}")
    if not isinstance(value, FromEnvironment):
        raise ValueError("a secret is not written into the file; expected ${env:NAME} (or the key's *_file twin)")
    return Secret(str(value))


def _complaint(message: str, where: Where) -> ConfigError:
    """Turn "Expected `int`, got `str` - at `$.a[0]`" into "file: steps[1].a[0]: expected an integer, got a string"."""
    found = _AT.search(message)
    if found:
        message = message[: found.start()]
        for name, index in _STEP.findall(found[1]):
            where = where.at(int(index) if index else name)
    message = re.sub(r"`([^`]*)`", lambda quoted: _words(quoted[1]), message)
    return where.error(message[:1].lower() + message[1:])


def _words(types: str) -> str:
    names = [name.strip() for name in types.split("|")]
    known = [_WORDS.get(name, name) for name in names if name != "null" or len(names) == 1]
    return " or ".join(known)


def _word_of(value: object) -> str:
    return _WORDS.get(type(value).__name__, type(value).__name__)
