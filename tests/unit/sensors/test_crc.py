from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.sensors.crc import CHECKSUMS

#: The catalogue's check values: the checksum of the nine ASCII digits 1 to 9.
CHECK = {
    "crc16-ccitt": 0x29B1,
    "crc16-modbus": 0x4B37,
    "crc16-xmodem": 0x31C3,
    "crc32": 0xCBF43926,
    "crc8": 0xF4,
    "crc8-maxim": 0xA1,
    "sum8": 0xDD,
    "xor8": 0x31,
}


@pytest.mark.parametrize("name", sorted(CHECKSUMS))
def test_the_check_value_of_the_catalogue_comes_out(name: str) -> None:
    assert CHECKSUMS[name].of(b"123456789") == CHECK[name]


@pytest.mark.parametrize("name", sorted(CHECKSUMS))
@given(data=st.data())
def test_many_rows_at_once_agree_with_one_by_one(name: str, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.binary(min_size=5, max_size=5), min_size=1, max_size=20))
    array = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 5)
    assert CHECKSUMS[name].of_rows(array).tolist() == [CHECKSUMS[name].of(row) for row in rows]


@given(st.binary(max_size=64))
def test_crc32_is_that_of_zlib(data: bytes) -> None:
    assert CHECKSUMS["crc32"].of(data) == zlib.crc32(data)
