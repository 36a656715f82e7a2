// Which kernels run where: a kernel is offered only to a processor with every instruction that it is compiled for.

#include "check.h"
#include "ggml-cpp.h"
#include "kernels.h"

using namespace jina_reranker;

namespace {

constexpr size_t kAttentionAnywhere = 1;
#if defined(__GNUC__) && defined(__x86_64__)
constexpr bool kX86 = true;
#else
constexpr bool kX86 = false;
#endif

struct Expected {
    std::vector<std::string> features;
    size_t                   n_attention;  // beyond those that run anywhere
    size_t                   n_matmul;
};

void offers_what_the_processor_runs() {
    const std::vector<Expected> table = {
        { {}, 0, 0 },
        { { "NEON", "ARM_FMA", "DOTPROD" }, 0, 0 },
        { { "SSE3", "AVX" }, 0, 0 },
        { { "AVX2", "F16C" }, 0, 0 },
        { { "AVX2", "FMA" }, 0, 0 },
        { { "AVX2", "FMA", "F16C" }, 1, 1 },
        { { "AVX2", "FMA", "F16C", "AVX_VNNI" }, 1, 2 },
        { { "AVX2", "FMA", "F16C", "AVX512" }, 2, 1 },
        { { "AVX2", "FMA", "F16C", "AVX512_VNNI" }, 1, 1 },
        { { "AVX2", "FMA", "F16C", "AVX512", "AVX512_VNNI" }, 2, 2 },
        { { "AVX512", "AVX512_VNNI" }, 0, 0 },
        { { "AVX_VNNI" }, 0, 0 },
    };
    for (const Expected & expected : table) {
        const CpuFeatures features = cpu_features(expected.features);
        CHECK_EQUAL(attention_kernels(features).size(), kAttentionAnywhere + (kX86 ? expected.n_attention : 0));
        CHECK_EQUAL(matmul_kernels(features).size(), kX86 ? expected.n_matmul : 0);
    }
}

void packs_what_is_faster_so() {
    const ggml_context_ptr context(ggml_init({ 4 * ggml_tensor_overhead(), nullptr, true }));
    const ggml_tensor &    q4_k     = *ggml_new_tensor_2d(context.get(), GGML_TYPE_Q4_K, 256, 16);
    const ggml_tensor &    bf16     = *ggml_new_tensor_2d(context.get(), GGML_TYPE_BF16, 256, 16);
    const ggml_tensor &    narrow   = *ggml_new_tensor_2d(context.get(), GGML_TYPE_Q4_K, 256, 8);
    CpuFeatures            features = cpu_features({ "AVX2", "FMA", "F16C", "AVX512", "AVX512_VNNI" });
    CHECK_EQUAL(is_packed_for(features, q4_k), kX86);
    CHECK_EQUAL(is_packed_for(features, bf16), kX86);
    CHECK(!is_packed_for(features, narrow));
    CHECK(!is_packed_for(cpu_features({ "NEON" }), q4_k));
    features = cpu_features({ "AVX2", "FMA", "F16C", "AVX512", "AVX512_VNNI", "AVX512_BF16" });
    CHECK_EQUAL(is_packed_for(features, q4_k), kX86);
    CHECK(!is_packed_for(features, bf16));
}

void knows_none_before_a_cpu_backend_is_loaded() {
    CHECK(cpu_feature_names().empty());
    CHECK(matmul_kernels(cpu_features()).empty());
}

}  // namespace

int main() {
    return check::run({
        { "offers what the processor runs", offers_what_the_processor_runs },
        { "packs what is faster so", packs_what_is_faster_so },
        { "knows no features before a CPU backend is loaded", knows_none_before_a_cpu_backend_is_loaded },
    });
}
