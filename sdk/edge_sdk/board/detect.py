"""Which board is this? Pure: a `Probe` and the boards in, the answer with its evidence out.

Each board's rules are tried and the weights of those that hold are added up. A rule of 100 or more is proof.
Without proof the answer is the nearest relative, if it has at least `RELATIVE` points, and else the generic board
of the architecture; `statement` says in plain words which of these it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from edge_sdk.board.probe import Probe
from edge_sdk.board.schema import Board, Rule

#: A rule with at least this weight proves the exact board.
PROOF = 100
#: Fewest points for a relative: more than a family's signs alone give.
RELATIVE = 50


@dataclass(frozen=True)
class Candidate:
    """A board some of whose rules hold."""

    board: Board
    points: int
    exact: bool
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Detection:
    """The answer.

    Attributes:
        board: the board to use, or None where no board file fits this machine.
        exact: whether a rule proved it (or the user named it).
        evidence: what was seen, strongest first.
        statement: the answer as a sentence.
        candidates: every board with points, best first.
    """

    board: Board | None
    exact: bool
    evidence: tuple[str, ...]
    statement: str
    candidates: tuple[Candidate, ...] = ()


def evidence_of(rule: Rule, probe: Probe) -> str | None:
    """Return what was seen if the rule holds, else None."""
    if rule.device_tree_compatible is not None:
        hits = [text for text in probe.compatible if fnmatchcase(text, rule.device_tree_compatible)]
        return f"device tree compatible = {hits[0]}" if hits else None
    if rule.cpu_part is not None:
        return f"CPU part = {rule.cpu_part}" if rule.cpu_part in probe.cpu_parts else None
    if rule.cpu_model is not None:
        return f"CPU model = {probe.cpu_model}" if fnmatchcase(probe.cpu_model, rule.cpu_model) else None
    if rule.dmi_product is not None:
        return f"DMI product = {probe.dmi}" if fnmatchcase(probe.dmi, rule.dmi_product) else None
    if rule.arch is not None:
        return f"architecture = {probe.arch}" if rule.arch == probe.arch else None
    if rule.file_exists is not None:
        return f"{rule.file_exists} exists" if rule.file_exists in probe.files else None
    return None


def rank(probe: Probe, boards: Sequence[Board]) -> tuple[Candidate, ...]:
    """Return the boards with at least one rule that holds, best first; ties by name."""
    found = []
    for board in boards:
        seen = [(rule.weight, text) for rule in board.detect if (text := evidence_of(rule, probe)) is not None]
        if seen and board.cpu.arch in (probe.arch, "any"):
            seen.sort(key=lambda pair: -pair[0])
            texts = tuple(dict.fromkeys(text for _, text in seen))
            found.append(Candidate(board, sum(weight for weight, _ in seen), seen[0][0] >= PROOF, texts))
    return tuple(sorted(found, key=lambda one: (not one.exact, -one.points, one.board.name)))


def detect(probe: Probe, boards: Sequence[Board]) -> Detection:
    """Return the board this machine is, or the one to treat it as. The override of the probe is not looked at."""
    candidates = rank(probe, boards)
    specific = [one for one in candidates if not one.board.generic]
    if specific and (specific[0].exact or specific[0].points >= RELATIVE):
        best = specific[0]
        text = f"{best.board.title} ({best.board.name})"
        if not best.exact:
            text = f"no board file knows this {_machine(probe)}; its nearest relative is {text}"
        return Detection(best.board, best.exact, best.evidence, text, candidates)
    for one in candidates:
        if one.board.generic:
            text = f"no board file knows this {_machine(probe)}; it is treated as {one.board.title} ({one.board.name})"
            return Detection(one.board, False, one.evidence, text, candidates)
    text = f"no board file fits this {_machine(probe)}; aarch64 and x86_64 machines are supported"
    return Detection(None, False, (f"architecture = {probe.arch}",), text, candidates)


def _machine(probe: Probe) -> str:
    name = probe.model or next(iter(probe.compatible), "") or probe.dmi
    return f"{name} ({probe.arch})" if name else f"{probe.arch} machine"
