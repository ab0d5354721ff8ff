"""The device's own side of updates: which packages it runs from, and when it moves to newer ones.

`agent` leads to a site; without it the packages of the system's Python are used. It moves only to packages that were
just seen to work here: a device whose agent cannot start could never be updated again.
"""

from __future__ import annotations

import os
import subprocess
import sys

from firmware_tools.update.folders import point, target_of
from firmware_tools.update.layout import Layout

DEADLINE_S = 60.0
#: As `launch` starts it: from there and nowhere else, and without writing there.
ALONE = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"}
#: What an agent needs: its verbs, and signatures.
_TRY = """
import firmware_tools.update.verbs, firmware_tools.update.choose, firmware_tools.update.gate
import firmware_tools.update.supervise
import cryptography.hazmat.primitives.asymmetric.ed25519
"""


def adopt_site(layout: Layout, site: str) -> bool:
    """Let the device's side run from a site from now on; return whether it does.

    Args:
        site: "" for a version without packages of its own: nothing changes.
    """
    target = f"sites/{site}"
    if not site or target_of(layout.agent) == target:
        return bool(site)
    if not serves(layout, site):
        return False
    point(layout.agent, target)
    return True


def serves(layout: Layout, site: str) -> bool:
    """Return whether the device's side starts from the packages of a site."""
    environment = os.environ | {"PYTHONPATH": str(layout.sites / site), **ALONE}
    command = [sys.executable, "-c", _TRY]
    try:
        done = subprocess.run(command, env=environment, cwd="/", capture_output=True, timeout=DEADLINE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
