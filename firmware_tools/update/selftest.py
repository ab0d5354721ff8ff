"""Does this device answer as the builder's did? Each model of a slot is asked its golden question before it serves.

    agent --starts--> python -m firmware_tools.update.selftest SLOT      with the slot's own packages: only they
                         |                                               surely have numpy
                         `--starts--> edge-sdk run MODEL --input ... --output ... --engine sandbox, for each model

What is running is not touched. The answers go to a private folder that is removed.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from edge_sdk.errors import DeadlineError, EdgeError, TransferError, VerificationError
from firmware_tools.bundle.engine_process import COMMAND, complaint
from firmware_tools.bundle.manifest import Golden
from firmware_tools.sign import durable
from firmware_tools.sign.sealed import MAX_HEAD_BYTES
from firmware_tools.update.folders import writing
from firmware_tools.update.layout import HEAD, SITE, Layout
from firmware_tools.update.slot import parse_head, read_head

#: For each model; a slow board compiles it first.
MODEL_DEADLINE_S = 120.0
MAX_SAID_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 1 << 30


def selftest(
    layout: Layout,
    name: str,
    slot: str,
    models: Collection[str] | None = None,
    deadline_s: float = MODEL_DEADLINE_S,
) -> int:
    """Ask the models of a slot; return how many there were.

    Args:
        models: to be asked; default all.
        deadline_s: for each of them.

    Raises:
        VerificationError: an answer differs, or a model does not run; names the model.
        DeadlineError: it took too long.
    """
    folder, golden = layout.slot(name, slot).resolve(), read_head(layout, name, slot).manifest.golden
    asked = [one.model for one in golden if models is None or one.model in models]
    if asked:
        command = [sys.executable, "-m", "firmware_tools.update.selftest", str(folder), str(deadline_s), *asked]
        # The child limits each model; this limit is for a child that hangs by itself.
        with writing(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="edge-selftest-") as private:
            environment = packages_of(folder) | {"EDGE_SDK_CACHE": f"{private}/cache", "TMPDIR": private}
            run(command, environment, private, deadline_s * (1 + len(asked)), with_children=True)
    return len(asked)


def packages_of(slot: Path) -> dict[str, str]:
    """Return the environment in which the packages of a slot are imported."""
    plain = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    site = {"PYTHONPATH": str((slot / SITE).resolve()), "PYTHONNOUSERSITE": "1"} if (slot / SITE).is_dir() else {}
    return plain | site | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1"}


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: str | Path,
    deadline_s: float,
    *,
    with_children: bool,
) -> None:
    """Run a command in `folder`; it ends when it takes too long.

    Args:
        with_children: whatever it has started ends with it.

    Raises:
        EdgeError: what the command complained about, with its exit code.
        DeadlineError: it took too long.
    """
    with writing(Path(folder)), tempfile.TemporaryFile(dir=folder) as said:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=with_children,
        )
        try:
            code = child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise DeadlineError(f"not done after {deadline_s:.0f} s") from None
        finally:
            with suppress(ProcessLookupError):
                if with_children:
                    os.killpg(child.pid, signal.SIGKILL)
                child.kill()
            child.wait()
        if code:
            said.seek(max(0, said.seek(0, io.SEEK_END) - MAX_SAID_BYTES))
            raise _complaint(command, code, said.read().decode("utf-8", "replace"))


def _complaint(command: Sequence[str], code: int, said: str) -> EdgeError:
    """Return the child's own error again, or the last thing it said."""
    if code > 0 and "error: " in said:
        return complaint(command, code, said)
    how = f"code {code}" if code > 0 else f"signal {-code}"
    last = said.strip().rpartition("\n")[2][:500]
    return VerificationError(f"ended with {how}" + (f": {last}" if last else ""))


def ask(slot: Path, golden: Golden, private: Path, deadline_s: float) -> None:
    """Ask one model and compare its answers.

    Raises:
        VerificationError: one differs.
        EdgeError: the model does not run.
    """
    import numpy as np

    from firmware_tools.bundle.golden import agrees, digest, seeded_input

    words: list[str] = ["run", str(slot / golden.model), "--engine", "sandbox"]
    for index, one in enumerate(golden.inputs):
        array = seeded_input(golden.seed, index, one.dtype, one.shape)
        if digest(array) != one.sha256:
            raise VerificationError(f"input {index} of its golden vector is not the recorded one")
        np.save(private / f"in{index}.npy", array, allow_pickle=False)
        words += ["--input", str(private / f"in{index}.npy")]
    answers = [private / f"out{index}.npy" for index in range(len(golden.outputs))]
    for path in answers:
        words += ["--output", str(path)]
    run([*COMMAND, *words], os.environ, private, deadline_s, with_children=False)
    load = partial(np.load, allow_pickle=False)
    for index, (recorded, answer) in enumerate(zip(golden.outputs, answers, strict=True)):
        expected, got = (load(io.BytesIO(durable.read(one, MAX_ANSWER_BYTES))) for one in (slot / recorded, answer))
        if not agrees(golden, expected, got):
            raise VerificationError(f"output {index} is not the recorded one ({golden.compare})")


def ask_all(slot: Path, deadline_s: float, models: Collection[str]) -> None:
    """Ask these models of a slot, with the packages of this process."""
    head = parse_head(durable.read(slot / HEAD, MAX_HEAD_BYTES), str(slot / HEAD))
    for golden in (one for one in head.manifest.golden if one.model in models):
        with tempfile.TemporaryDirectory(prefix="edge-golden-") as private:
            try:
                ask(slot, golden, Path(private), deadline_s)
            except EdgeError as error:
                kind = DeadlineError if isinstance(error, DeadlineError) else VerificationError
                raise kind(f"{golden.model}: {error.message}", hint=error.hint) from error
            except (OSError, ValueError) as fault:
                raise VerificationError(f"{golden.model}: its answers cannot be read: {fault}") from fault


def main(arguments: Sequence[str]) -> int:
    """Be the child: one complaint on stderr, its exit code."""
    try:
        ask_all(Path(arguments[0]), float(arguments[1]), arguments[2:])
    except (EdgeError, OSError) as fault:
        error = fault if isinstance(fault, EdgeError) else TransferError(str(fault))
        print(f"error: {error.message}" + (f"\ntry: {error.hint}" if error.hint else ""), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
