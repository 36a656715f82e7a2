#pragma once

// The table of kernels: which of them this build has, and which instructions each needs. Pure; any thread.

#include "attention-kernel.h"
#include "cpu-features.h"
#include "ggml.h"
#include "matmul-kernel.h"

#include <vector>

namespace jina_reranker {

// Those that run with these features, the fastest last; never none.
std::vector<AttentionKernel> attention_kernels(const CpuFeatures & features);

// Likewise for products with packed weights (weight-packing.h). Without one, ggml multiplies by the file's.
std::vector<MatMulKernel> matmul_kernels(const CpuFeatures & features);

// Whether a matrix on the CPU is packed for our products: where they are possible and the faster ones. BF16 is left to ggml where
// that has instructions to multiply it.
bool is_packed_for(const CpuFeatures & features, const ggml_tensor & matrix);

}  // namespace jina_reranker
