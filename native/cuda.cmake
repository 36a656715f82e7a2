# The CUDA backend: which cards it is built for, and what of the toolkit it is linked with. cuBLAS is looked for here
# because without it llama.cpp fails late and says little.

# One toolkit for compiling and for linking: that of CUDACXX or CUDAToolkit_ROOT, else the one CMake finds.
if(IS_ABSOLUTE "$ENV{CUDACXX}" AND NOT DEFINED CUDAToolkit_ROOT)
    get_filename_component(nvcc_directory "$ENV{CUDACXX}" DIRECTORY)
    get_filename_component(CUDAToolkit_ROOT "${nvcc_directory}" DIRECTORY)
endif()
find_package(CUDAToolkit QUIET)
if(NOT CUDAToolkit_FOUND)
    message(FATAL_ERROR "GGML_CUDA needs NVIDIA's CUDA toolkit (nvcc), and it was not found. Install it, or name its folder: "
        "-DCUDAToolkit_ROOT=/usr/local/cuda")
endif()
# Older ones lack what llama.cpp calls on Hopper.
if(CUDAToolkit_VERSION VERSION_LESS 12)
    message(FATAL_ERROR "GGML_CUDA needs CUDA 12 or newer, and ${CUDAToolkit_VERSION} was found in ${CUDAToolkit_TARGET_DIR}. "
        "Another is named by -DCUDAToolkit_ROOT=/usr/local/cuda")
endif()
if(NOT TARGET CUDA::cublas)
    message(FATAL_ERROR "CUDA ${CUDAToolkit_VERSION} was found in ${CUDAToolkit_TARGET_DIR}, without cuBLAS, which GGML_CUDA needs: "
        "install libcublas-dev of the same version (NVIDIA's packages: libcublas-dev-${CUDAToolkit_VERSION_MAJOR}-${CUDAToolkit_VERSION_MINOR}), "
        "or a whole toolkit")
endif()

if(NOT DEFINED CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    set(CMAKE_CUDA_COMPILER "${CUDAToolkit_NVCC_EXECUTABLE}")
endif()

# For one model over several cards, which is not done here; a library that was found would be needed wherever this runs.
set(GGML_CUDA_NCCL OFF CACHE BOOL "set by jina-reranker" FORCE)

# Turing, Ampere (A100, RTX 30), Ada, Hopper and, with a toolkit that knows it, Blackwell (RTX 50). A card that is newer, or
# between two of them, compiles what Hopper's has when a program starts; of Blackwell's llama.cpp makes 120a, for that card alone.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    if(NOT "$ENV{CUDAARCHS}" STREQUAL "")
        set(CMAKE_CUDA_ARCHITECTURES "$ENV{CUDAARCHS}")
    else()
        set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90)
        if(CUDAToolkit_VERSION VERSION_GREATER_EQUAL 12.8)
            list(APPEND CMAKE_CUDA_ARCHITECTURES 120-virtual)
        endif()
    endif()
endif()

# A package must not need the toolkit's runtime beside the driver. cuBLAS stays shared: it is larger than all the rest.
function(use_static_cudart target)
    get_target_property(libraries ${target} LINK_LIBRARIES)
    list(TRANSFORM libraries REPLACE "^CUDA::cudart$" "CUDA::cudart_static")
    set_target_properties(${target} PROPERTIES LINK_LIBRARIES "${libraries}" CUDA_RUNTIME_LIBRARY Static)
endfunction()
