#pragma once

// The table of kernels: which of them this build has, which instructions each needs, and which types of weights it
// multiplies. Pure; any thread.

#include "attention-kernel.h"
#include "cpu-features.h"
#include "ggml.h"
#include "matmul-kernel.h"

#include <vector>

namespace jina_reranker {

// Those that run with these features, the fastest last. Without one, ggml computes attention.
std::vector<AttentionKernel> attention_kernels(const CpuFeatures & features);

// Likewise for products with weights of is_matmul_type().
std::vector<MatMulKernel> matmul_kernels(const CpuFeatures & features);

// Every kernel multiplies all of these types.
constexpr bool is_matmul_type(ggml_type type) {
    return type == GGML_TYPE_Q4_K || type == GGML_TYPE_Q5_K || type == GGML_TYPE_Q6_K;
}

}  // namespace jina_reranker
