#include "cpu-features.h"

#include "backend.h"
#include "ggml-backend.h"

#include <algorithm>

namespace jina_reranker {

std::vector<std::string> cpu_feature_names() {
    std::vector<std::string> names;
    const BackendsInUse      in_use = use_backends();
    ggml_backend_reg_t       cpu    = ggml_backend_reg_by_name("CPU");
    if (cpu == nullptr) {
        return names;
    }
    const auto get_features = reinterpret_cast<ggml_backend_get_features_t>(
        ggml_backend_reg_get_proc_address(cpu, "ggml_backend_get_features"));
    if (get_features == nullptr) {
        return names;
    }
    for (const ggml_backend_feature * feature = get_features(cpu); feature->name != nullptr; ++feature) {
        names.emplace_back(feature->name);
    }
    return names;
}

CpuFeatures cpu_features(const std::vector<std::string> & names) {
    const auto has = [&](const char * name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    return { has("AVX2"),   has("FMA"),         has("F16C"),       has("AVX_VNNI"),
             has("AVX512"), has("AVX512_VNNI"), has("AVX512_BF16") };
}

}  // namespace jina_reranker
