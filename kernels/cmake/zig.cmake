# Toolchain: zig from PyPI (`ziglang`) is the one C compiler, for the native library and for Wasm.
#
# EDGE_ZIG_TARGET (environment) cross-compiles, for example aarch64-linux-gnu.2.17; the default is this machine's
# architecture with the oldest glibc a manylinux wheel may ask for. Never the build machine's own CPU: the
# baseline plus run-time dispatch.
if(DEFINED PYTHON_EXECUTABLE)
  set(EDGE_PYTHON "${PYTHON_EXECUTABLE}")
elseif(DEFINED Python_EXECUTABLE)
  set(EDGE_PYTHON "${Python_EXECUTABLE}")
elseif(NOT DEFINED EDGE_PYTHON)
  set(EDGE_PYTHON python3)
endif()

if(NOT DEFINED EDGE_ZIG_TARGET)
  set(EDGE_ZIG_TARGET "$ENV{EDGE_ZIG_TARGET}")
endif()
if(NOT EDGE_ZIG_TARGET)
  execute_process(COMMAND uname -m OUTPUT_VARIABLE _machine OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(EDGE_ZIG_TARGET "${_machine}-linux-gnu.2.17")
endif()
string(REGEX MATCH "^[^-]+" EDGE_ARCH "${EDGE_ZIG_TARGET}")
if(NOT EDGE_ARCH MATCHES "^(x86_64|aarch64)$")
  message(FATAL_ERROR "edge-sdk builds for x86_64 and aarch64 (Wasmtime needs 64 bits); asked for ${EDGE_ZIG_TARGET}")
endif()
if(EDGE_ARCH STREQUAL "x86_64")
  set(_cpu x86_64)
else()
  set(_cpu generic)
endif()

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${EDGE_ARCH})
set(_wrappers "${CMAKE_BINARY_DIR}/zig")
file(WRITE ${_wrappers}/cc "#!/bin/sh\nexec \"${EDGE_PYTHON}\" -m ziglang cc -target ${EDGE_ZIG_TARGET} -mcpu=${_cpu} \"$@\"\n")
foreach(_tool ar ranlib)
  file(WRITE ${_wrappers}/${_tool} "#!/bin/sh\nexec \"${EDGE_PYTHON}\" -m ziglang ${_tool} \"$@\"\n")
endforeach()
file(CHMOD ${_wrappers}/cc ${_wrappers}/ar ${_wrappers}/ranlib
     PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE)
set(CMAKE_C_COMPILER ${_wrappers}/cc)
set(CMAKE_AR ${_wrappers}/ar CACHE FILEPATH "" FORCE)
set(CMAKE_RANLIB ${_wrappers}/ranlib CACHE FILEPATH "" FORCE)
set(CMAKE_C_COMPILER_WORKS TRUE)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES EDGE_PYTHON EDGE_ZIG_TARGET)
