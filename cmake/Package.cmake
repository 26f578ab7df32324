# Debian packages by CPack: `cpack --config build/release/CPackConfig.cmake` leaves them in build/release/packages.
#
#   fastermask          everything but training: evaluate, predict, serve, compile, ...; no LibTorch
#   fastermask-train    training, which brings LibTorch along
#   fastermask-video    predict on videos, which brings OpenCV along
#   libfastermask0      the library for other programs, libfastermask-dev its headers and CMake package
#
# Which libraries each depends on is read from its files (dpkg-shlibdeps); what is said here, those cannot say.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME fastermask)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "FasterMask developers <developers@fastermask.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

set(CPACK_COMPONENTS_ALL program library dev)
set(same_version "(= ${PROJECT_VERSION})")

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME fastermask)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
    "object detection and instance segmentation\nRuns, evaluates, serves and ships Faster R-CNN and Mask R-CNN models, with the configs and weight files of\ndetectron2. Training is in fastermask-train, predicting on videos in fastermask-video.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS fonts-dejavu-core)  # for what is drawn on pictures
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "fastermask-train, fastermask-video")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libfastermask0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
    "object detection and instance segmentation, library\nRuns models that 'fastermask compile' made, from C and C++ programs.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libfastermask-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libfastermask0 ${same_version}")
set(CPACK_COMPONENT_DEV_DESCRIPTION
    "object detection and instance segmentation, headers\nThe C and C++ headers of libfastermask, and its CMake package: find_package(FasterMask).")

if(FASTERMASK_TRAINING)
  list(APPEND CPACK_COMPONENTS_ALL train)
  set(CPACK_DEBIAN_TRAIN_PACKAGE_NAME fastermask-train)
  # LibTorch asks for any BLAS; the one that is installed by default is many times slower.
  set(CPACK_DEBIAN_TRAIN_PACKAGE_DEPENDS "fastermask ${same_version}, libopenblas0-openmp | libopenblas0")
  set(CPACK_COMPONENT_TRAIN_DESCRIPTION
      "object detection and instance segmentation, training\nTrains Faster R-CNN and Mask R-CNN models on COCO-style data: 'fastermask train'.")
endif()
if(FASTERMASK_VIDEO)
  list(APPEND CPACK_COMPONENTS_ALL video)
  set(CPACK_DEBIAN_VIDEO_PACKAGE_NAME fastermask-video)
  set(CPACK_DEBIAN_VIDEO_PACKAGE_SECTION video)
  set(CPACK_DEBIAN_VIDEO_PACKAGE_DEPENDS "fastermask ${same_version}")
  set(CPACK_COMPONENT_VIDEO_DESCRIPTION
      "object detection and instance segmentation, videos\nLets 'fastermask predict' read and write videos.")
endif()

# Debian wants the licence of every package under its own name.
foreach(component ${CPACK_COMPONENTS_ALL})
  string(TOUPPER ${component} upper)
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME} RENAME copyright
          COMPONENT ${component})
endforeach()
include(CPack)
