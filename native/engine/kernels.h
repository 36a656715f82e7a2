#pragma once

// The table of kernels: which of them this build has, and which instructions each needs. Pure; any thread.

#include "attention-kernel.h"
#include "cpu-features.h"
#include "matmul-kernel.h"

#include <vector>

namespace jina_reranker {

// Those that run with these features, the fastest last. Without one, ggml computes attention.
std::vector<AttentionKernel> attention_kernels(const CpuFeatures & features);

// Likewise for products with packed weights (weight-packing.h). Without one, ggml multiplies by the file's.
std::vector<MatMulKernel> matmul_kernels(const CpuFeatures & features);

}  // namespace jina_reranker
