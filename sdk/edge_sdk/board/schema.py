"""What a board file may say: facts with units, each figure with the source it was read from.

A file is TOML and strict: an unknown key is an error. Files named by `extends` come first, then this file's keys
over them; tables are merged key by key, lists are replaced, only `detect` rules are added up. `aliases`,
`compatible`, `family` and `generic` are not inherited.

    schema = 1
    name = "raspberrypi-5"
    title = "Raspberry Pi 5"
    extends = "raspberrypi"

    [cpu]
    arch = "aarch64"
    ...
    source = "https://..."          # or "decision: why", where the figure is ours
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1)]
Positive = Annotated[int, Meta(gt=0)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Source = Annotated[str, Meta(pattern=r"^(https://|decision: )")]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Frozen, keyword-only, and closed to keys nobody knows."""


class Rule(_Strict, frozen=True):
    """One sign that this is the board: exactly one condition, and how much it counts.

    A weight of 100 or more is proof of the exact board; below, a sign of a relative.
    """

    weight: Annotated[int, Meta(ge=1, le=1000)]
    """Points for the board when the condition holds."""
    source: Source
    """Where the condition was read."""
    device_tree_compatible: Text | None = None
    """A shell pattern for one of the strings of /proc/device-tree/compatible."""
    cpu_part: Annotated[str, Meta(pattern=r"^0x[0-9a-f]{3}$")] | None = None
    """The `CPU part` of /proc/cpuinfo on Arm."""
    cpu_model: Text | None = None
    """A shell pattern for the `model name` of /proc/cpuinfo on x86."""
    dmi_product: Text | None = None
    """A shell pattern for "vendor product" of /sys/class/dmi/id."""
    arch: Literal["aarch64", "x86_64"] | None = None
    """The machine word of uname."""
    file_exists: Annotated[str, Meta(pattern=r"^/")] | None = None
    """An absolute path."""


class Cpu(_Strict, frozen=True):
    """The processor as its maker describes it; the probe wins over it."""

    arch: Literal["aarch64", "x86_64", "any"]
    """The machine word of uname; `any` for a board that runs everywhere."""
    model: Text
    """The core's name."""
    cores: Positive
    """Number of cores."""
    max_mhz: Positive
    """Highest clock, in MHz."""
    features: tuple[Text, ...]
    """Expected words of the `Features` (Arm) or `flags` (x86) line of /proc/cpuinfo that the kernels care about."""
    source: Source
    """Where the figures were read."""


class Memory(_Strict, frozen=True):
    """The memory soldered on."""

    fitted_mib: Annotated[tuple[Positive, ...], Meta(min_length=1)]
    """Sizes the board is sold with, in MiB, rising."""
    source: Source
    """Where the figures were read."""


class WasmLimits(_Strict, frozen=True):
    """What a model may take."""

    memory_mib: Positive
    """Most linear memory of one model, in MiB."""
    reservation_mib: Positive
    """Most address space reserved for it, in MiB; at least `memory_mib`."""
    source: Source
    """Why these limits."""


class EngineChoice(_Strict, frozen=True):
    """How models run."""

    order: Annotated[tuple[Literal["host", "sandbox"], ...], Meta(min_length=1)]
    """Providers of the kernels, in the order they are tried."""
    threads: Positive
    """Most threads that models may compute on, all models together."""
    source: Source
    """Why this choice."""


class Port(_Strict, frozen=True):
    """A place where sensors are plugged in."""

    device: Text
    """Path (a shell pattern is allowed) or, for CAN, the network interface."""
    title: Text
    """Where it is on the board, with voltage or preconditions."""
    source: Source
    """Where this was read."""


class Ports(_Strict, frozen=True):
    """The board's ports by kind."""

    serial: tuple[Port, ...] = ()
    """UARTs."""
    can: tuple[Port, ...] = ()
    """CAN controllers."""
    i2c: tuple[Port, ...] = ()
    """I2C buses."""
    gpio: tuple[Port, ...] = ()
    """GPIO chips."""
    usb: tuple[Port, ...] = ()
    """USB devices that matter here: serial adapters."""


class Power(_Strict, frozen=True):
    """How the board measures what it uses."""

    sensor: Literal["ina3221", "rapl", "vcgencmd", "none"]
    """The kind of sensor."""
    source: Source
    """Where this was read."""
    path: Annotated[str, Meta(pattern=r"^/")] | None = None
    """hwmon folder or counter file; a shell pattern is allowed."""
    command: Text | None = None
    """The command that prints the readings, where no file holds them."""
    rails: tuple[Text, ...] = ()
    """Names of the rails, as the sensor labels them."""
    total: Text | None = None
    """The rail that holds the others; left out where they must be added up."""
    covers: Text | None = None
    """What is measured and what is not."""


class FlashTransport(_Strict, frozen=True):
    """A way to put software on the board. A fact about the board; `firmware_tools` holds the code."""

    transport: Literal["ssh", "disk", "recovery", "folder"]
    """The transport's name."""
    title: Text
    """What it writes, and its precondition."""
    source: Source
    """Where this was read."""


class Family(_Strict, frozen=True):
    """What several boards share; a file with `family = true`. Every table may be missing."""

    schema: Literal[1]
    """Version of this format."""
    name: Name
    """The file's name without `.toml`."""
    title: Text
    """For people."""
    extends: Name | None = None
    """The board or family this file starts from."""
    family: bool = False
    """True for a file that describes no board of its own."""
    generic: bool = False
    """True for the board that unknown machines of an architecture fall back to."""
    aliases: tuple[Name, ...] = ()
    """Other names people use."""
    compatible: tuple[Text, ...] = ()
    """Device-tree strings of the boards this file describes."""
    detect: tuple[Rule, ...] = ()
    """Signs of the board; without any, the board is chosen by name only."""
    cpu: Cpu | None = None
    """The processor."""
    memory: Memory | None = None
    """The memory."""
    wasm: WasmLimits | None = None
    """Limits of a model."""
    engine: EngineChoice | None = None
    """How models run."""
    io: Ports = Ports()
    """Ports."""
    power: Power | None = None
    """The power sensor."""
    flash: tuple[FlashTransport, ...] = ()
    """Ways to put software on the board."""


class Board(_Strict, frozen=True):
    """A board with all its facts, families merged in.

    board = find_board("pi5")
    board.wasm.memory_mib
    """

    schema: Literal[1]
    """Version of this format."""
    name: Name
    """The file's name without `.toml`."""
    title: Text
    """For people."""
    cpu: Cpu
    """The processor."""
    memory: Memory
    """The memory."""
    wasm: WasmLimits
    """Limits of a model."""
    engine: EngineChoice
    """How models run."""
    power: Power
    """The power sensor."""
    extends: Name | None = None
    """The family this board belongs to."""
    family: Literal[False] = False
    """A family is never a board."""
    generic: bool = False
    """True for the board that unknown machines of its architecture fall back to."""
    aliases: tuple[Name, ...] = ()
    """Other names people use."""
    compatible: tuple[Text, ...] = ()
    """Device-tree strings of the boards this file describes."""
    detect: tuple[Rule, ...] = ()
    """Signs of the board, its families' first; without any, the board is chosen by name only."""
    io: Ports = Ports()
    """Ports."""
    flash: tuple[FlashTransport, ...] = ()
    """Ways to put software on the board."""


CONDITIONS = ("device_tree_compatible", "cpu_part", "cpu_model", "dmi_product", "arch", "file_exists")


def rule_mistake(rule: Rule) -> str | None:
    """Return what is wrong with a rule that types alone cannot say."""
    said = sum(getattr(rule, name) is not None for name in CONDITIONS)
    return None if said == 1 else f"expected exactly one of {', '.join(CONDITIONS)}, got {said}"


def mistakes(entry: Board | Family) -> list[tuple[str, str]]:
    """Return (key path, what is wrong) for what types alone cannot say."""
    found = []
    if entry.wasm is not None and entry.wasm.reservation_mib < entry.wasm.memory_mib:
        text = f"{entry.wasm.reservation_mib} is less than wasm.memory_mib = {entry.wasm.memory_mib}"
        found.append(("wasm.reservation_mib", text))
    if entry.memory is not None and list(entry.memory.fitted_mib) != sorted(set(entry.memory.fitted_mib)):
        found.append(("memory.fitted_mib", "sizes must rise"))
    if entry.power is not None:
        found += _power_mistakes(entry.power)
    return found


def _power_mistakes(power: Power) -> list[tuple[str, str]]:
    needed = {"ina3221": "path", "rapl": "path", "vcgencmd": "command"}.get(power.sensor)
    found = []
    if needed is not None and getattr(power, needed) is None:
        found.append((f"power.{needed}", f"this key is missing; a sensor of kind {power.sensor!r} needs it"))
    if power.total is not None and power.total not in power.rails:
        found.append(("power.total", f"{power.total!r} is none of power.rails ({', '.join(power.rails) or 'none'})"))
    return found
