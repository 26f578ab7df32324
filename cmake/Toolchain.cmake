# Compiler settings for all of our code: ccache, a fast linker, warnings as errors, reproducible floating point.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE_PROGRAM})
endif()

find_program(LLD_PROGRAM ld.lld)
if(LLD_PROGRAM)
  add_link_options(-fuse-ld=lld)
endif()
add_link_options(-Wl,--as-needed)

# No contraction into fused multiply-adds behind our back: results must not depend on the instruction set. Kernels that
# want FMA say so with intrinsics.
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off;-fno-math-errno>")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")

if(FASTERMASK_SANITIZE)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${FASTERMASK_SANITIZE};-fno-omit-frame-pointer>")
  add_link_options(-fsanitize=${FASTERMASK_SANITIZE})
endif()

set(FASTERMASK_WARNINGS -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast -Wcast-qual
    -Wunused -Wnull-dereference -Werror)
# Unity builds include every .cpp file from another one, which GCC takes for a header with unnamed namespaces in it.
if(CMAKE_UNITY_BUILD)
  list(APPEND FASTERMASK_WARNINGS -Wno-subobject-linkage)
endif()
# GCC's flow analysis sees null dereferences in the standard library once sanitisers or light optimisation are on.
if(FASTERMASK_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
  list(REMOVE_ITEM FASTERMASK_WARNINGS -Wnull-dereference)
  list(APPEND FASTERMASK_WARNINGS -Wno-maybe-uninitialized)
endif()
