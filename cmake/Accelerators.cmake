# What LibTorch has beyond the CPU, found out when configuring; Debian's LibTorch has none of it. Sets
#   FASTERMASK_CUDA  our own CUDA kernels: LibTorch's libraries for CUDA, and a CUDA compiler
#   FASTERMASK_NCCL  c10d's ProcessGroupNCCL: its header, nccl.h, and a library that has it
#   FASTERMASK_MPI   c10d's ProcessGroupMPI: its header, mpi.h, and a library that has it
# and lets the target libtorch bring along what these need. Configure with --fresh after installing something.
include(CheckCXXSourceCompiles)
include(CheckLanguage)
include(CMakePushCheckState)

set(FASTERMASK_CUDA OFF)
set(FASTERMASK_NCCL OFF)
set(FASTERMASK_MPI OFF)

# Whether a program that makes a c10d process group compiles and links: headers alone say little, since LibTorch ships
# those of groups that it was built without.
function(fastermask_check_process_group result type macro constructor includes libraries)
  cmake_push_check_state(RESET)
  set(CMAKE_REQUIRED_FLAGS "-std=c++17 -w")
  set(CMAKE_REQUIRED_DEFINITIONS -D${macro})
  set(CMAKE_REQUIRED_INCLUDES ${TORCH_INCLUDE_DIR} ${includes})
  set(CMAKE_REQUIRED_LIBRARIES ${TORCH_LIBRARY} ${TORCH_CPU_LIBRARY} ${C10_LIBRARY} ${libraries})
  check_cxx_source_compiles("
    #include <torch/csrc/distributed/c10d/HashStore.hpp>
    #include <torch/csrc/distributed/c10d/${type}.hpp>
    int main() {
      c10::intrusive_ptr<c10d::ProcessGroup> group = ${constructor};
      return group->getSize();
    }" ${result})
  cmake_pop_check_state()
endfunction()

find_library(TORCH_CUDA_LIBRARY torch_cuda)
find_library(C10_CUDA_LIBRARY c10_cuda)
if(TORCH_CUDA_LIBRARY AND C10_CUDA_LIBRARY)
  # Nothing of ours may name a symbol of it, and yet it is what registers the device.
  target_link_options(libtorch INTERFACE
                      "LINKER:--push-state,--no-as-needed,${TORCH_CUDA_LIBRARY},${C10_CUDA_LIBRARY},--pop-state")
  find_package(CUDAToolkit QUIET)
  check_language(CUDA)
endif()
if(CUDAToolkit_FOUND)
  target_include_directories(libtorch SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(libtorch INTERFACE ${C10_CUDA_LIBRARY} CUDA::cudart)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    set(CMAKE_CUDA_STANDARD 17)
    set(FASTERMASK_CUDA ON)
  endif()
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  if(NCCL_INCLUDE_DIR)
    fastermask_check_process_group(
      FASTERMASK_NCCL_LINKS ProcessGroupNCCL USE_C10D_NCCL
      "c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::make_intrusive<c10d::HashStore>(), 0, 1)"
      "${CUDAToolkit_INCLUDE_DIRS};${NCCL_INCLUDE_DIR}" "${TORCH_CUDA_LIBRARY};${C10_CUDA_LIBRARY};CUDA::cudart")
  endif()
  if(FASTERMASK_NCCL_LINKS)
    set(FASTERMASK_NCCL ON)
    target_include_directories(libtorch SYSTEM INTERFACE ${NCCL_INCLUDE_DIR})
  endif()
endif()

find_path(TORCH_MPI_HEADER torch/csrc/distributed/c10d/ProcessGroupMPI.hpp HINTS ${TORCH_INCLUDE_DIR})
find_program(MPI_COMPILER_WRAPPER NAMES mpicxx mpic++)
if(TORCH_MPI_HEADER AND MPI_COMPILER_WRAPPER)
  find_package(MPI QUIET COMPONENTS CXX)
endif()
if(MPI_CXX_FOUND)
  fastermask_check_process_group(
    FASTERMASK_MPI_LINKS ProcessGroupMPI USE_C10D_MPI "c10d::ProcessGroupMPI::createProcessGroupMPI()" ""
    "MPI::MPI_CXX")
  if(FASTERMASK_MPI_LINKS)
    set(FASTERMASK_MPI ON)
    target_link_libraries(libtorch INTERFACE MPI::MPI_CXX)
  endif()
endif()

message(STATUS "LibTorch: CUDA kernels ${FASTERMASK_CUDA}, NCCL ${FASTERMASK_NCCL}, MPI ${FASTERMASK_MPI}")
