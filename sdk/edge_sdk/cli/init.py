"""`edge-sdk init`: a project that runs and passes its tests at once: pipeline, model, recordings, golden tests, keys.

A template is a folder of `edge_sdk/templates`, copied as it is; a few texts in it are filled in:

    {{name}}  {{broker}}  {{hosts}} (tables of edge-sdk.toml)  {{target}} (option of `edge-sdk flash`)

The project is made beside its place and renamed, so that a mistake leaves nothing behind.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import shlex
import shutil
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path

from edge_sdk.board import load_boards
from edge_sdk.cli.main import COMMANDS, parser_for
from edge_sdk.config import Where
from edge_sdk.config.project import PROJECT_FILE, read_project
from edge_sdk.errors import AccessDeniedError, ConfigError, MissingExtraError, SafetyError, TransferError, UsageError
from edge_sdk.publish.mqtt_settings import MqttOptions, settings_of
from edge_sdk.registry import nearest
from edge_sdk.units import printable, utf8

TEMPLATES = {"vibration": "a motor's vibration becomes an alarm on an MQTT broker"}

DEFAULT_BROKER = "mqtt://localhost:1883"
_FOLDER = Path(__file__).parents[1] / "templates"
#: Names of pipelines, applications and machines; it also keeps quotes and line ends out of the files.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: What may stand between the quotes of a TOML file and in the commands of the README.
_URL = re.compile(r"mqtts?://[A-Za-z0-9._:%\[\]-]+/?")
_FILLED = ("README.md", PROJECT_FILE, "pipeline.toml")
_EXAMPLE = """examples:
  edge-sdk init press-7
  edge-sdk init press-7 --board raspberrypi-5 --host pi@press-7.local --broker mqtt://broker.local:1883
  edge-sdk init --list"""
#: `keys trust` must see the root key first: it begins the folder of trust.
_KEYS = (
    "keys generate {keys}/root.pem",
    "keys generate {keys}/dev.pem",
    "keys trust {keys}/root.pub --role root --trust {keys}/trust --key {keys}/root.pem",
    "keys trust {keys}/dev.pub --trust {keys}/trust --key {keys}/root.pem",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EXAMPLE
    parser.add_argument(
        "folder", metavar="NAME", type=Path, nargs="?", help="the new folder; its name is the project's"
    )
    parser.add_argument("--template", default="vibration", metavar="T", help="what it does (default: %(default)s)")
    parser.add_argument("--board", default="", metavar="B", help="board it is for; `edge-sdk boards` lists them")
    parser.add_argument("--host", default="", metavar="H", help="machine it goes to, as ssh takes it: pi@press-7.local")
    parser.add_argument("--broker", default=DEFAULT_BROKER, metavar="URL", help="MQTT broker (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="the templates")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Make the project.

    Raises:
        UsageError, ConfigError, TargetNotFoundError: an option; nothing is made.
        SafetyError: the folder is not empty.
    """
    if args.list:
        return _list(args.json)
    if args.folder is None:
        raise UsageError("edge-sdk init: expected the NAME of a new folder", hint="edge-sdk init press-7")
    folder: Path = args.folder
    texts = _texts(args)
    _refuse_content(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        keys = _make(folder, args.template, texts)
    except PermissionError as fault:
        raise AccessDeniedError(f"{folder}: may not be written") from fault
    except OSError as fault:
        raise TransferError(f"{folder}: cannot be made: {fault.strerror or fault}") from fault
    _tell(folder, texts, keys)
    if args.json:
        about = {"folder": utf8(str(folder)), "name": texts["name"], "template": args.template, "keys": keys}
        print(json.dumps(about | {"files": _files(folder)}))
    return 0


def _list(as_json: bool) -> int:
    if as_json:
        print(json.dumps({"templates": TEMPLATES}))
    else:
        print("\n".join(f"{name}  {summary}" for name, summary in TEMPLATES.items()))
    return 0


def _texts(args: argparse.Namespace) -> dict[str, str]:
    """Return what is filled in, checked: nothing is made of an option that the project would stumble over."""
    if args.template not in TEMPLATES:
        known = ", ".join(TEMPLATES)
        text = f"--template: unknown template {args.template!r}{nearest(args.template, TEMPLATES)} (known: {known})"
        raise UsageError(text, hint="edge-sdk init --list")
    name = args.folder.absolute().name
    if not _NAME.fullmatch(name):
        rule = "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
        raise UsageError(f"{name[:80]!r} is no name for a project: expected {rule}", hint="edge-sdk init press-7")
    # The very check that the sink makes, so that its words are the same.
    settings_of(MqttOptions(url=args.broker), Where(Path("--broker")), name, "device")
    if not _URL.fullmatch(args.broker):
        raise UsageError(
            "--broker: expected mqtt://HOST:PORT without quotes or blanks", hint=f"--broker {DEFAULT_BROKER}"
        )
    board = load_boards().lookup(args.board).name if args.board else ""
    target = f" --board {board}" if board and not args.host else f" --host {_host_name(args.host)}" if args.host else ""
    return {"name": name, "broker": args.broker, "hosts": _hosts(args.host, board), "target": target}


def _host_name(address: str) -> str:
    """Return a short name for a machine: pi@press-7.local becomes press-7, root@10.0.0.7 stays 10.0.0.7."""
    host = address.rpartition("@")[2]
    short = host if re.fullmatch(r"[0-9.]+", host) else host.partition(".")[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", short).strip("-._")[:64] or "device"


def _hosts(address: str, board: str) -> str:
    """Return the table of the machine; without one, the same as a comment."""
    name = _host_name(address) if address else "press-7"
    lines = [f'[hosts."{name}"]', f"address = {json.dumps(address or 'pi@press-7.local')}"]
    lines += [f'board = "{board or "raspberrypi-5"}"'] if board or not address else []
    if address:
        return "\n".join(lines)
    return "\n".join(["# A machine it goes to; `edge-sdk init --host` writes this.", *(f"# {line}" for line in lines)])


def _refuse_content(folder: Path) -> None:
    if folder.is_symlink() or folder.exists():
        if not folder.is_dir():
            raise SafetyError(f"{folder}: is there already and no folder", hint="choose another name")
        try:
            first = next(folder.iterdir(), None)
        except PermissionError:
            raise AccessDeniedError(f"{folder}: may not be read") from None
        if first is not None:
            raise SafetyError(f"{folder}: is not empty ({first.name}); nothing was changed", hint="choose another name")


def _make(folder: Path, template: str, texts: dict[str, str]) -> str:
    """Make the project beside its place, then move it there; return why it has no keys, "" if it has."""
    with tempfile.TemporaryDirectory(prefix=f".{folder.absolute().name}.", dir=folder.absolute().parent) as temporary:
        made = Path(temporary) / "project"
        shutil.copytree(_FOLDER / template, made, copy_function=shutil.copyfile)
        (made / "gitignore").rename(made / ".gitignore")
        for name in _FILLED:
            _fill(made / name, texts)
        _check(made)
        without = _make_keys(made / "keys")
        if not folder.exists():
            made.rename(folder)
            return without
        for entry in list(made.iterdir()):  # an empty folder stays itself: somebody may be standing in it
            entry.rename(folder / entry.name)
    return without


def _fill(path: Path, texts: dict[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for name, value in texts.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    path.write_text(text, encoding="utf-8")


def _check(made: Path) -> None:
    """Let the project file be read once: an address ssh would not take is a mistake in --host."""
    try:
        read_project(made / PROJECT_FILE)
    except ConfigError as fault:
        problem = fault.message.rpartition(f"{PROJECT_FILE}: ")[2]
        raise UsageError(f"--host: {problem}", hint="edge-sdk init press-7 --host pi@press-7.local") from None


def _make_keys(folder: Path) -> str:
    """Make the keys by the command that people use; return why there are none, "" if there are."""
    folder.mkdir()
    for line in _KEYS:
        words = [word.format(keys=folder) for word in line.split()]
        args = parser_for("bundle").parse_args(words)
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                import_module(COMMANDS["bundle"][0]).run(args)
        except MissingExtraError as missing:
            return f"{missing.message}; {missing.hint}"
    return ""


def _files(folder: Path) -> list[str]:
    return sorted(utf8(str(path.relative_to(folder))) for path in folder.rglob("*") if path.is_file())


def _tell(folder: Path, texts: dict[str, str], without_keys: str) -> None:
    lines = [f"made {folder}: results go to {texts['broker']}, the sensor is simulated"]
    if without_keys:
        lines += [f"no keys were made: {without_keys}", 'then the commands under "Keys" in its README.md']
    here = [] if folder.absolute() == Path.cwd() else [f"  cd {shlex.quote(str(folder))}"]
    lines += ["", *here, "  edge-sdk test", "  edge-sdk run pipeline.toml --duration 10"]
    lines += [f"  edge-sdk flash{texts['target']} --dry-run"]
    print(printable("\n".join(lines)), file=sys.stderr)
