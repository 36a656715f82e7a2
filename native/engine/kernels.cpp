#include "kernels.h"

#include "weight-packing.h"

namespace jina_reranker {

namespace {

using Needs = bool (*)(const CpuFeatures & features);

template <typename Kernel>
struct Row {
    Kernel kernel;
    Needs  needs;
};

template <typename Kernel>
std::vector<Kernel> usable(const std::vector<Row<Kernel>> & table, const CpuFeatures & features) {
    std::vector<Kernel> kernels;
    for (const Row<Kernel> & row : table) {
        if (row.needs(features)) {
            kernels.push_back(row.kernel);
        }
    }
    return kernels;
}

bool nothing(const CpuFeatures & /*features*/) {
    return true;
}

#if defined(__GNUC__) && defined(__x86_64__)
bool avx2(const CpuFeatures & features) {
    return features.avx2 && features.fma && features.f16c;
}

bool avx512(const CpuFeatures & features) {
    return avx2(features) && features.avx512;
}

#    if defined(JINA_RERANKER_AVXVNNI)
bool avx_vnni(const CpuFeatures & features) {
    return avx2(features) && features.avx_vnni;
}
#    endif

bool avx512_vnni(const CpuFeatures & features) {
    return avx512(features) && features.avx512_vnni;
}
#endif

}  // namespace

// Both tables: the faster a kernel, the later.

std::vector<AttentionKernel> attention_kernels(const CpuFeatures & features) {
    return usable<AttentionKernel>(
        {
            { attention_plain, nothing },
#if defined(__GNUC__) && defined(__x86_64__)
                { attention_avx2, avx2 }, { attention_avx512, avx512 },
#endif
        },
        features);
}

std::vector<MatMulKernel> matmul_kernels(const CpuFeatures & features) {
    return usable<MatMulKernel>(
        {
#if defined(__GNUC__) && defined(__x86_64__)
            { matmul_avx2(), avx2 },
#    if defined(JINA_RERANKER_AVXVNNI)
                { matmul_avxvnni(), avx_vnni },
#    endif
                { matmul_avx512vnni(), avx512_vnni },
#endif
        },
        features);
}

bool is_packed_for(const CpuFeatures & features, const ggml_tensor & matrix) {
    return can_pack(matrix) && !matmul_kernels(features).empty() &&
           (matrix.type != GGML_TYPE_BF16 || !features.avx512_bf16);
}

}  // namespace jina_reranker
