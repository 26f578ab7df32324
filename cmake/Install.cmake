# What `cmake --install` puts where: the programs, the module for videos, the shared library with its two headers, a
# CMake package, the configs. Each is in one of the components that Package.cmake makes Debian packages of.
set(CMAKE_INSTALL_DOCDIR share/doc/fastermask)  # not the project's name with capitals
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# libfastermask.so: the Predictor and the C interface; everything else stays inside.
add_library(fastermask_shared SHARED ${CMAKE_SOURCE_DIR}/src/fastermask/embed/predictor.cpp
                                     ${CMAKE_SOURCE_DIR}/src/fastermask/embed/c_api.cpp)
set_target_properties(fastermask_shared PROPERTIES OUTPUT_NAME fastermask EXPORT_NAME fastermask
                      VERSION ${PROJECT_VERSION} SOVERSION 0 UNITY_BUILD OFF)
target_compile_options(fastermask_shared PRIVATE ${FASTERMASK_WARNINGS})
target_compile_definitions(fastermask_shared PRIVATE FASTERMASK_VERSION="${PROJECT_VERSION}")
target_include_directories(fastermask_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(fastermask_shared PRIVATE fm_runtime)
# nodelete: its threads wait for work as long as the process lives, also when the program has closed the library.
target_link_options(fastermask_shared PRIVATE -Wl,--exclude-libs,ALL -Wl,--no-undefined -Wl,-z,nodelete)
target_compile_features(fastermask_shared INTERFACE cxx_std_17)

install(TARGETS fastermask_shared EXPORT FasterMaskTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        COMPONENT library NAMELINK_COMPONENT dev)
install(FILES src/fastermask/embed/fastermask.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)
install(FILES src/fastermask/embed/predictor.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fastermask COMPONENT dev)
install(TARGETS fastermask-program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
if(FASTERMASK_TRAINING)
  install(TARGETS fastermask-train RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT train)
endif()
if(FASTERMASK_VIDEO)
  install(TARGETS fastermask_video LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/fastermask COMPONENT video)
endif()
# Loaded by the shells at the first Tab.
foreach(shell_file "bash;bash-completion/completions/fastermask" "zsh;zsh/site-functions/_fastermask")
  list(GET shell_file 0 shell)
  list(GET shell_file 1 file)
  get_filename_component(folder ${file} DIRECTORY)
  get_filename_component(name ${file} NAME)
  add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/completion/${name}
                     COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/completion
                     COMMAND fastermask-program completion ${shell} > ${CMAKE_BINARY_DIR}/completion/${name}
                     DEPENDS fastermask-program VERBATIM)
  list(APPEND completion_files ${CMAKE_BINARY_DIR}/completion/${name})
  install(FILES ${CMAKE_BINARY_DIR}/completion/${name} DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder}
          COMPONENT program)
endforeach()
add_custom_target(completion ALL DEPENDS ${completion_files})

# The man pages are what the programs say of themselves.
set(man_programs fastermask-program)
if(FASTERMASK_TRAINING)
  list(APPEND man_programs fastermask-train)
endif()
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/man/fastermask.1
                   COMMAND ${CMAKE_SOURCE_DIR}/tools/make_man_pages.sh $<TARGET_FILE:fastermask-program>
                           ${CMAKE_BINARY_DIR}/man
                   DEPENDS ${man_programs} ${CMAKE_SOURCE_DIR}/tools/make_man_pages.sh VERBATIM)
add_custom_target(man_pages ALL DEPENDS ${CMAKE_BINARY_DIR}/man/fastermask.1)
install(DIRECTORY ${CMAKE_BINARY_DIR}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)

install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/fastermask COMPONENT program)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program FILES_MATCHING PATTERN "*.md")
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/FasterMask)
install(EXPORT FasterMaskTargets NAMESPACE FasterMask:: DESTINATION ${package_folder} COMPONENT dev)
file(WRITE ${CMAKE_BINARY_DIR}/FasterMaskConfig.cmake
     "include(\"\${CMAKE_CURRENT_LIST_DIR}/FasterMaskTargets.cmake\")\n")
write_basic_package_version_file(${CMAKE_BINARY_DIR}/FasterMaskConfigVersion.cmake VERSION ${PROJECT_VERSION}
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/FasterMaskConfig.cmake ${CMAKE_BINARY_DIR}/FasterMaskConfigVersion.cmake
        DESTINATION ${package_folder} COMPONENT dev)
