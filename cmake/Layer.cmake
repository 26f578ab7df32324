# fastermask_layer(NAME [DEPENDS layer ...] [LIBRARIES target ...])
#
# Declares the layer in the current folder: a static library fm_NAME of all its .cpp files. Files named *_isa.cpp are
# compiled once per instruction set with FASTERMASK_ISA set to generic, avx2 or avx512 (a namespace of that name in the
# file keeps the copies apart); the layer picks one at run time. Files named *_avx512bf16.cpp, *_avx512fp16.cpp and
# *_avx512vnni.cpp are compiled once, for avx512 and that extension, *_amx.cpp for avx512 with tiles, and none of them for
# other processor families.
function(fastermask_layer name)
  cmake_parse_arguments(arg "" "" "DEPENDS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  file(GLOB isa_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_isa.cpp)
  file(GLOB extension_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_avx512bf16.cpp
       ${CMAKE_CURRENT_SOURCE_DIR}/*_avx512fp16.cpp ${CMAKE_CURRENT_SOURCE_DIR}/*_avx512vnni.cpp ${CMAKE_CURRENT_SOURCE_DIR}/*_amx.cpp)
  list(REMOVE_ITEM sources ${isa_sources} ${extension_sources} "")
  set(library fm_${name})
  add_library(${library} STATIC ${sources})
  if(isa_sources)
    fastermask_isa_copies(${library} "${isa_sources}" "${extension_sources}")
  endif()
  target_compile_options(${library} PRIVATE ${FASTERMASK_WARNINGS})
  target_include_directories(${library} SYSTEM PUBLIC ${GSL_INCLUDE_DIR})
  list(TRANSFORM arg_DEPENDS PREPEND fm_)
  target_link_libraries(${library} PUBLIC ${arg_DEPENDS} ${arg_LIBRARIES})
endfunction()

function(fastermask_isa_copies library isa_sources extension_sources)
  set(flags_generic "")
  set(flags_avx2 "-mavx2;-mfma;-mf16c;-mbmi2")
  set(flags_avx512 "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx2;-mfma;-mf16c;-mbmi2;-mprefer-vector-width=512")
  set(isas generic)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(APPEND isas avx2 avx512)
    foreach(extension avx512bf16 avx512fp16 avx512vnni amx)
      set(sources ${extension_sources})
      list(FILTER sources INCLUDE REGEX "_${extension}\\.cpp$")
      if(sources)
        # Tiles are reached by their instructions' names, which need no flag.
        string(REPLACE "-mamx" "" flag "-m${extension}")
        fastermask_isa_copy(${library}_${extension} ${library} avx512 "${flags_avx512};${flag}" "${sources}")
      endif()
    endforeach()
  endif()
  foreach(isa ${isas})
    fastermask_isa_copy(${library}_${isa} ${library} ${isa} "${flags_${isa}}" "${isa_sources}")
  endforeach()
endfunction()

# The objects `copy` of `sources` for an instruction set, as part of `library`.
function(fastermask_isa_copy copy library isa flags sources)
  add_library(${copy} OBJECT ${sources})
  set_target_properties(${copy} PROPERTIES UNITY_BUILD OFF)
  target_compile_options(${copy} PRIVATE ${FASTERMASK_WARNINGS} -O3 ${flags})
  target_compile_definitions(${copy} PRIVATE FASTERMASK_ISA=${isa} FASTERMASK_ISA_${isa}=1)
  target_include_directories(${copy} SYSTEM PRIVATE ${GSL_INCLUDE_DIR})
  target_link_libraries(${copy} PRIVATE fmt::fmt)
  target_sources(${library} PRIVATE $<TARGET_OBJECTS:${copy}>)
endfunction()
