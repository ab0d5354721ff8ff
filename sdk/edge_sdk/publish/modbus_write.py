"""A coil or a holding register follows the results: Modbus TCP, or RTU over a serial port.

Modbus Application Protocol 1.1b3: write single coil (6.5), write single register (6.6). Addresses are those of the PDU,
from 0; a manual's 40001 is register 0.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusException

from edge_sdk.config import Where
from edge_sdk.errors import TransferError
from edge_sdk.publish.acting import ActingOptions, ActingSink, Value

Address = Annotated[int, Meta(ge=0, le=65535)]


class ModbusWriteOptions(ActingOptions, frozen=True, kw_only=True):
    """A coil or register of a Modbus server."""

    host: Annotated[str, Meta(description="of Modbus TCP")] = ""
    port: Annotated[int, Meta(ge=1, le=65535, description="of Modbus TCP")] = 502
    serial: Annotated[str, Meta(description="port of Modbus RTU, in the place of host")] = ""
    baud: Annotated[int, Meta(ge=300, le=4_000_000, description="bits per second of RTU")] = 19200
    parity: Annotated[Literal["even", "none", "odd"], Meta(description="of RTU")] = "even"
    unit_id: Annotated[int, Meta(ge=0, le=247, description="of the server")] = 1
    coil: Annotated[Address | None, Meta(description="address, from 0")] = None
    register: Annotated[Address | None, Meta(description="address of a holding register, from 0")] = None
    on: Annotated[int, Meta(ge=0, le=65535, description="in the register, for an alarm")] = 1
    off: Annotated[int, Meta(ge=0, le=65535, description="in the register, for none")] = 0
    scale: Annotated[float, Meta(description="of a score: the register gets round(score * scale)")] = 1000.0
    answer_s: Annotated[float, Meta(gt=0, le=60, description="longest wait for an answer")] = 1.0


class ModbusWriteSink(ActingSink):
    """The row `modbus_write` of SINKS."""

    Options = ModbusWriteOptions

    def __init__(self, options: ModbusWriteOptions, where: Where, pipeline: str, device: str) -> None:
        if bool(options.host) == bool(options.serial):
            raise where.at("host").error("expected host (TCP) or serial (RTU), one of them")
        if (options.coil is None) == (options.register is None):
            raise where.at("coil").error("expected coil or register, one of them")
        if options.coil is not None and options.value == "score":
            raise where.at("value").error("a coil is on or off; a score goes into a register")
        super().__init__(options, where, _Register(options))


class _Register:
    def __init__(self, options: ModbusWriteOptions) -> None:
        self._options = options
        self._client: Any = None

    def open(self) -> None:
        options = self._options
        if options.host:
            self._client = ModbusTcpClient(options.host, port=options.port, timeout=options.answer_s, retries=0)
        else:
            parity = options.parity[0].upper()
            self._client = ModbusSerialClient(
                options.serial, baudrate=options.baud, parity=parity, timeout=options.answer_s, retries=0
            )
        if not self._client.connect():
            raise TransferError(f"Modbus server {self._name}: no connection")

    def write(self, value: Value) -> None:
        options = self._options
        try:
            if options.coil is not None:
                answer = self._client.write_coil(options.coil, bool(value), device_id=options.unit_id)
            else:
                answer = self._client.write_register(options.register, self._word(value), device_id=options.unit_id)
        except (ModbusException, OSError) as fault:
            raise TransferError(f"Modbus server {self._name}: {fault}") from fault
        if answer.isError():
            raise TransferError(f"Modbus server {self._name}: refused: exception code {answer.exception_code}")

    def close(self) -> None:
        self._client.close()

    def describe(self, value: Value) -> str:
        options = self._options
        if options.coil is not None:
            return f"coil {options.coil} = {'on' if value else 'off'}"
        return f"register {options.register} = {self._word(value)}"

    def _word(self, value: Value) -> int:
        """Two's complement of 16 bits; what is beyond stays at the end of the range."""
        if isinstance(value, bool):
            return self._options.on if value else self._options.off
        number = round(value * self._options.scale)
        return max(-32768, min(65535, number)) & 0xFFFF

    @property
    def _name(self) -> str:
        place = f"{self._options.host}:{self._options.port}" if self._options.host else self._options.serial
        return f"{place} unit {self._options.unit_id}"
