"""Runs the kernels under AddressSanitizer and UBSan with generated descriptors, and the NEON kernels under qemu.

Three C programs: `fuzz_host` (hostile descriptors against the host provider, judged by an oracle), `fuzz_corpus`
(descriptors of converted models, mutated, for every kernel) and `kernel_check` (kernels on every ISA against the
reference). All are built with gcc's sanitizers for this machine; `kernel_check` is also built for aarch64 with zig and
run on two models of CPU, one without and one with the dot product.

    python tests/sanitize/run.py                              FUZZ_CASES=200000 FUZZ_SEED=1 by default
    python tests/sanitize/run.py --seed 1 --case 4711 --program fuzz_host        one case again
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KERNELS = ROOT / "kernels"
BUILD = ROOT / "build" / "sanitize"
JOBS = 2
#: Of one process: qemu keeps what it has translated, and two that ran 40,000 cases took 24 GiB.
MOST_CASES = 10_000
PROGRAMS = ("fuzz_host", "fuzz_corpus", "kernel_check")
SHARED_SOURCES = (
    "arena",
    "campaign",
    "field_bounds",
    "field_names",
    "fields",
    "generate",
    "generate_words",
    "oracle",
    "regions",
)
OWN_SOURCES = {
    "fuzz_host": ("fuzz_bad", "fuzz_bench", "fuzz_host", "fuzz_session", "fuzz_wraps"),
    "fuzz_corpus": ("fuzz_corpus",),
    "kernel_check": ("kernel_check",),
}
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes", "-Wvla")
SANITIZE = ("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined,float-cast-overflow")
#: qemu's CPU -> the ISAs that kernel_check must find there.
ARM_CPUS = {"cortex-a72": "ref neon", "max": "ref neon neon_dotprod"}


class SanitizeError(Exception):
    """A build failed or a program found a violation; the text says which."""


@dataclass(frozen=True)
class Target:
    """A compiler and what it builds for."""

    name: str
    machine: str  # EDGE_BUILD_<machine>
    compiler: tuple[str, ...]
    flags: tuple[str, ...]
    link: tuple[str, ...]
    isas: tuple[str, ...]


def native_target() -> Target:
    """Return gcc with its sanitizers for this machine."""
    isas = {"x86_64": ("X86", ("avx2", "avx512vnni")), "aarch64": ("AARCH64", ("neon", "neon_dotprod"))}
    machine, files = isas[platform.machine()]
    # gcc does not know clang's loop pragmas, and leaves float-cast-overflow out of -fsanitize=undefined.
    flags = (*SANITIZE, "-fno-sanitize-recover=all", "-ffp-contract=off", "-Wno-unknown-pragmas")
    return Target("native", machine, ("gcc",), flags, (*SANITIZE, "-lm"), files)


def arm_target() -> Target:
    """Return zig for aarch64 with the flags of the wheel; static, so that qemu needs no system of its own."""
    compiler = (sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl")
    flags = ("-O3", "-fno-sanitize=all", "-ffp-contract=off")
    return Target("aarch64", "AARCH64", compiler, flags, ("-static", "-lm"), ("neon", "neon_dotprod"))


# ---- building ----


def isa_flags() -> dict[str, list[str]]:
    """Return ISA -> flags, as the build of the wheel has them."""
    text = (KERNELS / "cmake" / "families.cmake").read_text()
    return {isa: flags.split(";") for isa, flags in re.findall(r'set\(EDGE_FLAGS_(\w+) "([^"]*)"\)', text)}


def kernel_sources(target: Target) -> dict[Path, list[str]]:
    """Return the sources of the host provider for this target -> the flags their names ask for."""
    flags = isa_flags()
    suffix = re.compile(rf"_({'|'.join([*flags, 'wasm_simd128', 'wasm_relaxed'])})$")
    chosen: dict[Path, list[str]] = {}
    for source in sorted(KERNELS.glob("*/*.c")):
        match = suffix.search(source.stem)
        if source.name == "sandbox.c" or (match and match[1] not in target.isas):
            continue
        chosen[source] = [flag for flag in flags[match[1]] if flag] if match else []
    return chosen


def newest_header() -> float:
    """Return when anything that a source may include, or this file, was changed last."""
    included = [p for folder in (KERNELS, HERE) for kind in ("*.h", "*.def", "*.inc") for p in folder.rglob(kind)]
    return max(p.stat().st_mtime for p in [*included, Path(__file__), KERNELS / "cmake" / "families.cmake"])


def run_compiler(command: list[str]) -> None:
    """Run one compiler; raise SanitizeError with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SanitizeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def compile_objects(target: Target, sources: dict[Path, list[str]]) -> dict[Path, Path]:
    """Compile what is older than its source or any header, two at a time; return source -> object."""
    header_time = newest_header()
    objects: dict[Path, Path] = {}
    stale: list[list[str]] = []
    for source, flags in sources.items():
        output = BUILD / target.name / source.relative_to(ROOT).with_suffix(".o")
        objects[source] = output
        if output.exists() and output.stat().st_mtime > max(header_time, source.stat().st_mtime):
            continue
        output.parent.mkdir(parents=True, exist_ok=True)
        common = ["-std=c11", "-D_GNU_SOURCE", *WARNINGS, f"-DEDGE_BUILD_{target.machine}", f"-I{ROOT}", f"-I{KERNELS}"]
        stale.append([*target.compiler, *common, *target.flags, *flags, "-c", str(source), "-o", str(output)])
    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(run_compiler, stale))
    return objects


def build(target: Target, programs: tuple[str, ...]) -> dict[str, Path]:
    """Build the programs; return name -> executable."""
    started = time.monotonic()
    kernels = kernel_sources(target)
    shared = [HERE / f"{name}.c" for name in SHARED_SOURCES]
    own = {program: [HERE / f"{name}.c" for name in OWN_SOURCES[program]] for program in programs}
    tests = [*shared, *(source for sources in own.values() for source in sources)]
    objects = compile_objects(target, kernels | {source: [] for source in tests})
    built: dict[str, Path] = {}
    for program in programs:
        parts = [objects[source] for source in [*kernels, *shared, *own[program]]]
        built[program] = BUILD / target.name / program
        if not built[program].exists() or max(p.stat().st_mtime for p in parts) > built[program].stat().st_mtime:
            run_compiler([*target.compiler, "-o", str(built[program]), *map(str, parts), *target.link])
    print(f"sanitize: built {', '.join(programs)} ({target.name}) in {time.monotonic() - started:.0f} s", flush=True)
    return built


# ---- running ----


@dataclass(frozen=True)
class Run:
    """One program over a range of cases."""

    program: str
    command: tuple[str, ...]
    seed: int
    first: int
    count: int
    isas: str | None = None  # what the program must print as its ISAs

    @property
    def label(self) -> str:
        return f"{self.program} {self.first}..{self.first + self.count - 1}"


def execute(run: Run) -> str:
    """Run to the end and return what it printed; raise SanitizeError with the way to run the case again."""
    numbers = ["--seed", str(run.seed), "--first", str(run.first), "--count", str(run.count)]
    done = subprocess.run(
        [*run.command, *numbers],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        found = re.search(r"VIOLATION seed (\d+) case (\d+)", done.stderr)
        case = f"--seed {run.seed} --case {found[2]} --program {run.program}" if found else "(no case was named)"
        again = f"python tests/sanitize/run.py {case}"
        raise SanitizeError(f"{done.stderr}\n{run.label} ended with {done.returncode}; again: {again}")
    if run.isas is not None and f"ISAs: {run.isas}\n" not in done.stdout:
        raise SanitizeError(f"{run.label} must find the ISAs {run.isas!r}; it printed {done.stdout.splitlines()[:1]}")
    return done.stdout


def split(program: str, command: tuple[str, ...], seed: int, count: int, isas: str | None = None) -> list[Run]:
    """Return runs over `count` cases, one for each core or more."""
    part = min((count + JOBS - 1) // JOBS, MOST_CASES)
    return [Run(program, command, seed, at, min(part, count - at), isas) for at in range(0, count, part)]


def add_line(lines: tuple[str, ...]) -> str:
    """Add up the numbers that stand alone in equal lines, and keep the columns."""
    number = re.compile(r"\s+\d+(?=\s|$)")
    totals = iter([sum(map(int, numbers)) for numbers in zip(*map(number.findall, lines), strict=True)])
    return number.sub(lambda found: f"{next(totals):>{len(found[0])}}", lines[0])


def add_tables(outputs: list[str]) -> str:
    """Add up the tables of several runs of one program, number by number."""
    rows = [output.splitlines() for output in outputs]
    return "\n".join(add_line(lines) for lines in zip(*rows, strict=True))


def run_all(runs: list[Run]) -> None:
    """Run two at a time; print one table for each program."""
    started = time.monotonic()
    with ThreadPoolExecutor(JOBS) as pool:
        outputs = list(pool.map(execute, runs))
    for program in dict.fromkeys(run.program for run in runs):
        chosen = [(run, output) for run, output in zip(runs, outputs, strict=True) if run.program == program]
        cases = sum(run.count for run, _ in chosen)
        print(f"--- {program}: {cases} cases, seed {runs[0].seed}")
        print(add_tables([output for _, output in chosen]))
    print(f"sanitize: ran {sum(run.count for run in runs)} cases in {time.monotonic() - started:.0f} s", flush=True)


def missing(tool: str, package: str) -> bool:
    """Say loudly that a tool is missing; an error where nothing may be skipped."""
    if shutil.which(tool):
        return False
    text = f"{tool} is not installed; try: apt-get install {package}"
    if os.environ.get("EDGE_TEST_NO_SKIP"):
        raise SanitizeError(text)
    print(f"*** SKIPPED: {text} ***", file=sys.stderr, flush=True)
    return True


def make_corpus(seed: int) -> None:
    """Write the corpus of fuzz_corpus, and tell the program where it is."""
    path = BUILD / "corpus.bin"
    command = [sys.executable, "-m", "tests.sanitize.corpus", str(path), "--seed", str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SanitizeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    print(f"sanitize: corpus of {done.stdout.strip()}", flush=True)
    os.environ["EDGE_CORPUS"] = str(path)


def planned(seed: int, cases: int, only: str | None) -> list[Run]:
    """Build what there are tools for and return the runs."""
    runs: list[Run] = []
    arm_programs = [f"kernel_check-{cpu}" for cpu in ARM_CPUS]
    if only not in arm_programs and not missing("gcc", "gcc libc6-dev"):
        built = build(native_target(), PROGRAMS)
        runs += split("fuzz_host", (str(built["fuzz_host"]),), seed, cases)
        if only in (None, "fuzz_corpus"):
            make_corpus(seed)
            runs += split("fuzz_corpus", (str(built["fuzz_corpus"]),), seed, cases)
        runs += split("kernel_check", (str(built["kernel_check"]),), seed, max(cases // 10, 1))
    if only not in PROGRAMS and not missing("qemu-aarch64-static", "qemu-user-static"):
        built = build(arm_target(), ("kernel_check",))
        for cpu, isas in ARM_CPUS.items():
            command = ("qemu-aarch64-static", "-cpu", cpu, str(built["kernel_check"]))
            runs.append(Run(f"kernel_check-{cpu}", command, seed, 0, max(cases // 25, 1), isas))
    return runs


def run_one(runs: list[Run], program: str, seed: int, number: int) -> int:
    """Run one case in the foreground."""
    run = next((run for run in runs if run.program == program), None)
    if run is None:
        return 1
    numbers = ["--seed", str(seed), "--first", str(number), "--count", "1", "--verbose"]
    return subprocess.run([*run.command, *numbers], check=False).returncode


def main() -> int:
    """Build, run, report; 0 when no program found anything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("FUZZ_SEED", "1")))
    parser.add_argument("--cases", type=int, default=int(os.environ.get("FUZZ_CASES", "200000")))
    parser.add_argument("--case", type=int, help="run this one case again")
    parser.add_argument("--program", choices=[*PROGRAMS, *(f"kernel_check-{cpu}" for cpu in ARM_CPUS)])
    options = parser.parse_args()
    print(f"sanitize: FUZZ_SEED={options.seed} FUZZ_CASES={options.cases}", flush=True)
    if options.case is not None and options.program is None:
        options.program = "fuzz_host"
    try:
        runs = planned(options.seed, options.cases, options.program)
        if options.case is not None:
            return run_one(runs, options.program, options.seed, options.case)
        runs = [run for run in runs if options.program in (None, run.program)]
        if runs:
            run_all(runs)
    except SanitizeError as error:
        print(f"sanitize: FAILED\n{error}", file=sys.stderr)
        return 1
    if not runs:
        print("sanitize: *** NOTHING RAN ***")
        return 0
    programs = ", ".join(dict.fromkeys(run.program for run in runs))
    print(f"sanitize: OK, {sum(run.count for run in runs)} cases without a violation ({programs})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
