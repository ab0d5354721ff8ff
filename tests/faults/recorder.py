"""A process of its own that writes down what comes through a named pipe, so that no kill of the writer loses a line.

python -m tests.faults.recorder PIPE FILE
"""

from __future__ import annotations

import os
import sys


def main(pipe: str, file: str) -> None:
    # Opened for writing too, so that the end of one writer is not the end of the pipe.
    inside = os.open(pipe, os.O_RDWR)
    out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    print("ready", flush=True)
    while data := os.read(inside, 65536):
        os.write(out, data)


if __name__ == "__main__":
    main(*sys.argv[1:])
