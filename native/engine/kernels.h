#pragma once

// The table of kernels: which of them this build has, and which instructions each needs. Pure; any thread.

#include "attention-kernel.h"
#include "cpu-features.h"
#include "ggml.h"
#include "matmul-kernel.h"

#include <vector>

namespace jina_reranker {

// Those that run with these features, the fastest last. Without one, ggml computes attention.
std::vector<AttentionKernel> attention_kernels(const CpuFeatures & features);

// Likewise for products with packed weights (weight-packing.h). Without one, ggml multiplies by the file's.
std::vector<MatMulKernel> matmul_kernels(const CpuFeatures & features);

// Whether our products are the faster ones for such weights: not for BF16 where ggml has instructions that multiply it.
constexpr bool is_ours_faster(ggml_type weights, const CpuFeatures & features) {
    return weights != GGML_TYPE_BF16 || !features.avx512_bf16;
}

}  // namespace jina_reranker
