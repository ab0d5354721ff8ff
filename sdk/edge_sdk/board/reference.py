"""The reference table of board files, made from the schema and its field docstrings."""

from __future__ import annotations

import ast
import inspect
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import fields

from edge_sdk.board import schema
from edge_sdk.board.schema import Family

#: Tables, in the order people meet them.
_PARTS = ("", "detect", "cpu", "memory", "wasm", "engine", "io", "io.serial", "power", "flash")


def reference() -> str:
    """Return the table of all keys in Markdown."""
    lines = ["| key | type | meaning |", "|---|---|---|"]
    for part in _PARTS:
        kind = _struct_at(part)
        texts = docstrings(kind)
        hints = get_type_hints(kind, include_extras=True)
        for field in fields(kind):
            if part == "" and _inner_struct(hints[field.name]) is not None:
                continue
            key = ".".join(filter(None, (part, field.name)))
            lines.append(f"| `{key}` | {_type_text(hints[field.name])} | {texts.get(field.name, '')} |")
    return "\n".join(lines) + "\n"


def docstrings(kind: type) -> dict[str, str]:
    """Return field -> the docstring that follows it in the source."""
    tree = next(
        node
        for node in ast.parse(inspect.getsource(schema)).body
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    found = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            found[field.target.id] = str(ast.literal_eval(text.value))
    return found


def _struct_at(part: str) -> type[Struct]:
    kind: type[Struct] = Family
    for name in filter(None, part.split(".")):
        inner = _inner_struct(get_type_hints(kind, include_extras=True)[name])
        if inner is None:
            raise LookupError(f"{part}: {name} is no table")
        kind = inner
    return kind


def _inner_struct(hint: Any) -> type[Struct] | None:
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint
    return next((found for inner in get_args(hint) if (found := _inner_struct(inner)) is not None), None)


def _type_text(hint: Any) -> str:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _type_text(inside[0])
    if origin is Literal:
        return " or ".join(f"`{_toml(value)}`" for value in inside)
    if origin in (Union, UnionType):
        return _type_text(next(inner for inner in inside if inner is not type(None)))
    if origin is tuple:
        struct = _inner_struct(hint)
        return "tables" if struct is not None else f"list of {_type_text(inside[0])}"
    if isinstance(hint, type) and issubclass(hint, Struct):
        return "table"
    return {str: "string", int: "integer", bool: "true or false"}[hint]


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


if __name__ == "__main__":
    print(reference(), end="")
