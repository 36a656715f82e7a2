# The CUDA backend: which cards it is built for, and what of the toolkit it is linked with. cuBLAS is looked for here
# because without it llama.cpp fails late and says little.

find_package(CUDAToolkit QUIET)
if(NOT CUDAToolkit_FOUND)
    message(FATAL_ERROR "GGML_CUDA needs NVIDIA's CUDA toolkit (nvcc), and it was not found. Install it, or name its folder: "
        "-DCUDAToolkit_ROOT=/usr/local/cuda")
endif()
if(NOT TARGET CUDA::cublas)
    message(FATAL_ERROR "CUDA ${CUDAToolkit_VERSION} was found in ${CUDAToolkit_TARGET_DIR}, without cuBLAS, which GGML_CUDA needs: "
        "install libcublas-dev of the same version (NVIDIA's packages: libcublas-dev-${CUDAToolkit_VERSION_MAJOR}-${CUDAToolkit_VERSION_MINOR}), "
        "or a whole toolkit")
endif()

# For one model over several cards, which is not done here; a library that was found would be needed wherever this runs.
set(GGML_CUDA_NCCL OFF CACHE BOOL "set by jina-reranker" FORCE)

# Turing, Ampere (A100 and RTX 30), Ada, Hopper, Blackwell; newer cards compile the last one when a program starts.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90-real 120-virtual)
endif()

# A package must not need the toolkit's runtime beside the driver. cuBLAS stays shared: it is larger than all the rest.
function(use_static_cudart target)
    get_target_property(libraries ${target} LINK_LIBRARIES)
    list(TRANSFORM libraries REPLACE "^CUDA::cudart$" "CUDA::cudart_static")
    set_target_properties(${target} PROPERTIES LINK_LIBRARIES "${libraries}" CUDA_RUNTIME_LIBRARY Static)
endfunction()
