"""Checksums of serial frames, for one frame or for many at once.

The names and parameters are those of the catalogue of parametrised CRC algorithms (width, poly, init, reflected,
xorout); every row's check value over "123456789" is in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Bytes2d = NDArray[np.uint8]


@dataclass(frozen=True)
class Crc:
    """One algorithm; `big_endian` is the order in which its devices usually send it."""

    width: int
    poly: int
    init: int = 0
    reflected: bool = False
    xorout: int = 0
    big_endian: bool = True

    @property
    def size_bytes(self) -> int:
        return self.width // 8

    @cached_property
    def _table(self) -> list[int]:
        return [self._entry(byte) for byte in range(256)]

    @cached_property
    def _array(self) -> NDArray[np.uint32]:
        return np.array(self._table, np.uint32)

    def _entry(self, byte: int) -> int:
        mask, top = (1 << self.width) - 1, 1 << (self.width - 1)
        if self.reflected:
            poly = int(f"{self.poly:0{self.width}b}"[::-1], 2)
            for _ in range(8):
                byte = byte >> 1 ^ (poly if byte & 1 else 0)
            return byte
        byte <<= self.width - 8
        for _ in range(8):
            byte = (byte << 1 ^ (self.poly if byte & top else 0)) & mask
        return byte

    def of(self, data: bytes) -> int:
        """Return the checksum of one frame."""
        crc, table, mask, shift = self.init, self._table, (1 << self.width) - 1, self.width - 8
        if self.reflected:
            for byte in data:
                crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
        else:
            for byte in data:
                crc = crc << 8 & mask ^ table[(crc >> shift ^ byte) & 0xFF]
        return crc ^ self.xorout

    def of_rows(self, rows: Bytes2d) -> NDArray[np.uint32]:
        """Return the checksum of each row: one table look-up per column, whatever the number of rows."""
        crc, table = np.full(len(rows), self.init, np.uint32), self._array
        mask, shift = np.uint32((1 << self.width) - 1), np.uint32(self.width - 8)
        low, eight = np.uint32(0xFF), np.uint32(8)
        for column in rows.T.astype(np.uint32):
            if self.reflected:
                crc = crc >> eight ^ table[(crc ^ column) & low]
            else:
                crc = crc << eight & mask ^ table[(crc >> shift ^ column) & low]
        return np.asarray(crc ^ np.uint32(self.xorout), np.uint32)


@dataclass(frozen=True)
class Sum:
    """Sum or exclusive-or of all bytes, as one byte."""

    exclusive: bool = False
    big_endian: bool = True
    size_bytes: int = 1

    def of(self, data: bytes) -> int:
        return int(self.of_rows(np.frombuffer(data, np.uint8)[None])[0])

    def of_rows(self, rows: Bytes2d) -> NDArray[np.uint32]:
        if self.exclusive:
            return np.asarray(np.bitwise_xor.reduce(rows, axis=1), np.uint32)
        return np.asarray(rows.sum(axis=1, dtype=np.uint32) & np.uint32(0xFF))


CHECKSUMS: dict[str, Crc | Sum] = {
    "crc16-ccitt": Crc(16, 0x1021, init=0xFFFF),
    "crc16-modbus": Crc(16, 0x8005, init=0xFFFF, reflected=True, big_endian=False),
    "crc16-xmodem": Crc(16, 0x1021),
    "crc32": Crc(32, 0x04C11DB7, init=0xFFFFFFFF, reflected=True, xorout=0xFFFFFFFF, big_endian=False),
    "crc8": Crc(8, 0x07),
    "crc8-maxim": Crc(8, 0x31, reflected=True),
    "sum8": Sum(),
    "xor8": Sum(exclusive=True),
}
