# Which kernel source goes into which build, by the suffix of its name; the flags of each instruction set.
#
#   x.c, x_ref.c             every build          x_avx2.c, x_avx512vnni.c       x86-64
#   x_wasm_simd128.c         every kernels*.wasm  x_neon.c, x_neon_dotprod.c     aarch64
#   x_wasm_relaxed.c         kernels-relaxed.wasm
#
# kernels-fma.wasm has the sources of kernels.wasm; its float sums are fused (common/madd_wasm.h), as are those of
# kernels-relaxed.wasm.
set(EDGE_FLAGS_avx2 "-mavx2;-mfma")
set(EDGE_FLAGS_avx512vnni "-mavx2;-mfma;-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni")
set(EDGE_FLAGS_neon "")
set(EDGE_FLAGS_neon_dotprod "-mcpu=generic+dotprod")
set(EDGE_NATIVE_ISAS_x86_64 avx2 avx512vnni)
set(EDGE_NATIVE_ISAS_aarch64 neon neon_dotprod)

function(edge_add_family family)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/${family}/*.c)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    if(name MATCHES "_wasm_relaxed$")
      list(APPEND EDGE_WASM_RELAXED_SOURCES ${source})
    elseif(name MATCHES "_wasm_simd128$")
      list(APPEND EDGE_WASM_SOURCES ${source})
    elseif(name MATCHES "_(avx2|avx512vnni|neon|neon_dotprod)$")
      set(isa ${CMAKE_MATCH_1})
      if(isa IN_LIST EDGE_NATIVE_ISAS_${EDGE_ARCH})
        list(APPEND EDGE_NATIVE_SOURCES ${source})
        set_source_files_properties(${source} DIRECTORY ${CMAKE_SOURCE_DIR} PROPERTIES COMPILE_OPTIONS
                                    "${EDGE_FLAGS_${isa}}")
      endif()
    else()
      list(APPEND EDGE_WASM_SOURCES ${source})
      list(APPEND EDGE_NATIVE_SOURCES ${source})
    endif()
  endforeach()
  set(EDGE_WASM_SOURCES ${EDGE_WASM_SOURCES} PARENT_SCOPE)
  set(EDGE_WASM_RELAXED_SOURCES ${EDGE_WASM_RELAXED_SOURCES} PARENT_SCOPE)
  set(EDGE_NATIVE_SOURCES ${EDGE_NATIVE_SOURCES} PARENT_SCOPE)
endfunction()

# -O3, no sanitizer traps (zig adds them by default), hidden symbols, no FMA contraction where C did not ask for it, and
# square roots without a libm that sets errno.
function(edge_native_options target)
  string(TOUPPER ${EDGE_ARCH} arch)
  if(arch STREQUAL "X86_64")
    set(arch X86)
  endif()
  target_compile_definitions(${target} PRIVATE EDGE_BUILD_${arch})
  target_compile_options(${target} PRIVATE -O3 -fno-sanitize=all -ffp-contract=off -fno-math-errno)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/kernels)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
endfunction()

# kernels/provider/sandbox.c + sources -> generated/<name>.wasm: one imported memory, stack first, nothing writable.
# Linear memory begins at address 0, so the compiler must not take base + offset for something that is never null.
function(edge_add_wasm name)
  set(features "generic+simd128")
  set(defines -DEDGE_BUILD_WASM)
  if(name MATCHES "fma|relaxed")
    string(APPEND features "+relaxed_simd")
    list(APPEND defines -DEDGE_BUILD_WASM_FMA)
  endif()
  if(name MATCHES "relaxed")
    list(APPEND defines -DEDGE_BUILD_WASM_RELAXED)
  endif()
  set(output ${EDGE_GENERATED}/${name}.wasm)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/*.h ${CMAKE_SOURCE_DIR}/kernels/*.def
       ${CMAKE_SOURCE_DIR}/kernels/*.inc)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${EDGE_PYTHON} -m ziglang cc -target wasm32-freestanding -mcpu=${features} -std=c11 -O3 -fno-sanitize=all
            -fno-delete-null-pointer-checks -ffp-contract=off -fno-math-errno ${EDGE_WARNINGS} ${defines} -I${CMAKE_SOURCE_DIR}/kernels -nostdlib -s -Wl,--no-entry
            -Wl,--import-memory -Wl,--export=__heap_base -Wl,-z,stack-size=32768 -o ${output} ${ARGN}
            ${CMAKE_SOURCE_DIR}/kernels/provider/sandbox.c
    COMMAND ${Python_EXECUTABLE} ${CMAKE_SOURCE_DIR}/kernels/tools/check_wasm.py ${output}
    DEPENDS ${ARGN} ${headers} ${CMAKE_SOURCE_DIR}/kernels/provider/sandbox.c ${CMAKE_SOURCE_DIR}/kernels/tools/check_wasm.py)
endfunction()
