"""Every error a user can cause or meet, each with its exit code.

One tree, root `EdgeError`. A message says what happened, what was expected and what came; `hint` is the one
command or action to try next. The command line prints both and leaves with `exit_code`; nothing here is ever
shown as a traceback.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class EdgeError(Exception):
    """Root of everything edge-sdk raises for the world's or the user's faults."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@contextmanager
def about_file(path: Path) -> Iterator[None]:
    """Let errors of the model inside begin with its file, in place of a name that was made of it."""
    try:
        yield
    except (ModelError, SandboxError, DeadlineError) as error:
        error.message = f"{path}: {error.message.removeprefix(f'{path.stem}: ')}"
        raise


class UsageError(EdgeError, ValueError):
    """The command line or a call was put together wrongly."""

    exit_code = 2


class ConfigError(EdgeError, ValueError):
    """A board or pipeline file says something that cannot be meant."""

    exit_code = 3


class ModelError(EdgeError, ValueError):
    """A model or module is damaged, unsupported or not ours."""

    exit_code = 3


@dataclass(frozen=True)
class Refusal:
    """Operators of a model that cannot be converted, for one reason.

    Attributes:
        operator: what the model calls it.
        nodes: names of all of them, in the model's order.
        advice: what the user can do about it.
    """

    operator: str
    reason: str
    nodes: tuple[str, ...]
    advice: str


class UnsupportedModelError(ModelError):
    """A model that is sound, but holds operators we do not have, or not so.

    Attributes:
        refusals: all of them.
    """

    def __init__(self, message: str, refusals: Sequence[Refusal], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.refusals = tuple(refusals)


class InputError(EdgeError, TypeError):
    """An array handed to a model has another dtype or shape than the model declares."""

    exit_code = 3


class TargetNotFoundError(EdgeError, LookupError):
    """A board, port or file was named that is not there, or more than one answers to the name."""

    exit_code = 4


class SafetyError(EdgeError):
    """Refused because going on could harm the machine or the data."""

    exit_code = 5


class UnsupportedPlatformError(SafetyError):
    """This CPU, Python or operating system cannot run what was asked."""


class SandboxError(SafetyError):
    """A guest module broke a rule: a trap, a bad descriptor, a forbidden import, too much memory."""


class EngineFaultError(SandboxError):
    """Another runtime failed with a model, or its process died; the next call finds a fresh one."""


class AccessDeniedError(EdgeError, PermissionError):
    """The operating system or a peer refused access."""

    exit_code = 6


class TransferError(EdgeError, OSError):
    """Input or output failed; trying again may succeed."""

    exit_code = 7


class VerificationError(EdgeError):
    """A result is not the expected one."""

    exit_code = 8


class HealthGateError(EdgeError):
    """A new version was not healthy; the device runs the version before it again."""

    exit_code = 9


class RollbackError(EdgeError):
    """Going back failed: the device needs hands."""

    exit_code = 10


class DeadlineError(EdgeError, TimeoutError):
    """Something took longer than it may."""

    exit_code = 11


class TrustError(EdgeError):
    """A key, a trust root or the age of a signed file does not allow what was asked."""

    exit_code = 12


class SignatureError(TrustError):
    """Too few trusted keys have signed."""


class MissingExtraError(EdgeError, ImportError):
    """An optional package or tool is not installed."""

    exit_code = 13


class BusyError(EdgeError):
    """Another user holds the resource; retry later."""

    exit_code = 21
