"""The text of /opt/edge-sdk/launch: a shell script that starts things with the right Python and packages.

    launch device ARGS...    the device's side of updates, from the site of `agent`
    launch app NAME          the application, from the site of its slot

Both go to the real folder behind a link first. A switch of `current` or `agent` changes what the next start runs, and
never what a running program imports.
"""

from __future__ import annotations

import shlex

_SCRIPT = r"""#!/bin/sh
# Made by edge-sdk; changes are lost with the next update.
#   launch device ARGS...    the device's side of updates
#   launch app NAME          an application
set -eu
unset CDPATH
# No bytecode is written: it would not be on the disk before a power cut, and half a module keeps all from starting.
PYTHONDONTWRITEBYTECODE=1
PYTHONSAFEPATH=1
PYTHONUNBUFFERED=1
export PYTHONDONTWRITEBYTECODE PYTHONSAFEPATH PYTHONUNBUFFERED
unset PYTHONPATH PYTHONHOME
python=@PYTHON@

fail() {
    printf 'error: launch: %s\n' "$2" >&2
    exit "$1"
}

# Links above us are kept: the root is what it was called by.
home=$(cd -- "$(dirname -- "$0")" && pwd && printf x)
home=${home%?x}
case $home in
    */opt/edge-sdk) root=${home%/opt/edge-sdk} ;;
    *) fail 4 "lies in $home; expected ROOT/opt/edge-sdk" ;;
esac

# packages FOLDER: import from the site that is really behind it, if there is one, and never from a user's own folder.
packages() {
    if [ -d "$1" ]; then
        PYTHONPATH=$(cd -P -- "$1" && pwd -P && printf x)
        PYTHONPATH=${PYTHONPATH%?x}
        PYTHONNOUSERSITE=1
        export PYTHONPATH PYTHONNOUSERSITE
    fi
}

case ${1-} in
    device)
        shift
        packages "$home/agent"
        cd /
        exec "$python" -m firmware_tools.update --root "${root:-/}" "$@"
        ;;
    app)
        [ $# -eq 2 ] || fail 2 'expected: launch app NAME'
        case $2 in
            '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) fail 2 'that is no name of an application' ;;
        esac
        cd -P -- "$home/apps/$2/current" || fail 4 "$2 has no version that could run"
        [ -d site ] || [ ! -L site ] || fail 4 "$2: the packages of this version are gone"
        packages ./site
        EDGE_SDK_HEALTH=${EDGE_SDK_HEALTH-$root/run/edge-sdk/$2/health.json}
        export EDGE_SDK_HEALTH
        exec "$python" -m edge_sdk.cli.main run pipeline.toml
        ;;
    *)
        fail 2 'expected: launch device ARGS... or launch app NAME'
        ;;
esac
"""


def launch_script(python: str) -> str:
    """Return the script.

    Args:
        python: the interpreter, as a path or a name; any characters but NUL.
    """
    return _SCRIPT.replace("@PYTHON@", shlex.quote(python))
