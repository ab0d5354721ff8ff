from __future__ import annotations

import pytest

from edge_sdk.engines import DELEGATES, ENGINES, FOREIGN, check_engine_name
from edge_sdk.errors import UsageError


def test_the_tables_are_sorted_and_named_as_users_write_them() -> None:
    assert list(FOREIGN) == sorted(FOREIGN)
    assert all(name == engine.name for name, engine in FOREIGN.items())
    assert ENGINES[:3] == ("auto", "host", "sandbox")
    assert "xnnpack" in DELEGATES


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_is_known(engine: str) -> None:
    check_engine_name(engine)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("onnxruntime", "engine 'onnxruntime' is not in this version"),
        ("lite", "unknown engine 'lite'; did you mean 'litert'?"),
        ("", "unknown engine ''"),
    ],
)
def test_another_engine_is_a_usage_error(name: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_engine_name(name)
    assert words in caught.value.message


@pytest.mark.parametrize("name", FOREIGN)
def test_how_to_get_one_is_said_for_this_environment_and_for_one_of_its_own(name: str) -> None:
    engine = FOREIGN[name]
    assert f"pip install 'edge-sdk[{engine.extra}]'" in engine.missing_hint
    assert f"-m venv $HOME/{name} && $HOME/{name}/bin/pip install " in engine.missing_hint
    assert engine.missing_hint.endswith(f"export {engine.python_variable}=$HOME/{name}/bin/python")
