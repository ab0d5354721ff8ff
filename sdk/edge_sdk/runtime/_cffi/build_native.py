"""Write the C source of `edge_sdk.runtime._native`, a cffi API-mode extension. Run by the build.

    python build_native.py OUT.c

The declarations between the marks of native.h are the interface; a few of provider/host.h and abi/isa.h are added.
The extension keeps to Python's limited API of 3.10, so one file serves every later Python.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cffi import FFI

# provider/host.h, abi/isa.h; an enum crosses as int.
FROM_KERNELS = """
typedef struct edge_host edge_host;
edge_host *edge_host_open(int isa, uint64_t packed_limit, uint32_t threads);
void edge_host_close(edge_host *host);
size_t edge_status_text(int32_t status, uint32_t descriptor, char *text, size_t size);
int edge_isa_best(void);
int edge_isa_usable(int isa);
const char *edge_isa_name(int isa);
"""
LIMITED_API = "#ifndef Py_LIMITED_API\n#define Py_LIMITED_API 0x030A0000\n#endif\n"


def declarations(header: str) -> str:
    """Return the part of native.h that cffi reads."""
    match = re.search(r"/\* cffi: begin \*/(.*)/\* cffi: end \*/", header, re.DOTALL)
    if match is None:
        raise ValueError("native.h: the marks `cffi: begin` and `cffi: end` are missing")
    return match[1]


def main(output: Path) -> None:
    """Write the C source of the extension."""
    ffi = FFI()
    ffi.cdef(FROM_KERNELS + declarations((Path(__file__).parent / "native.h").read_text()))
    ffi.set_source("edge_sdk.runtime._native", '#include "native.h"\n', py_limited_api=True)
    ffi.emit_c_code(str(output))
    output.write_text(LIMITED_API + output.read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
