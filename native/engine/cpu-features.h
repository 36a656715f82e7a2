#pragma once

// The instruction sets that the engine may use: those that the loaded CPU backend was built for, which this processor has (of
// a package's variants the best was loaded). So our kernels and ggml's use the same. Any thread.

#include <string>
#include <vector>

namespace jina_reranker {

// x86-64's; all false elsewhere.
struct CpuFeatures {
    bool avx2        = false;
    bool fma         = false;
    bool f16c        = false;
    bool avx_vnni    = false;
    bool avx512      = false;
    bool avx512_vnni = false;
    bool avx512_bf16 = false;
};

// As ggml names them, for example "AVX2" or "NEON". None before a CPU backend is loaded.
std::vector<std::string> cpu_feature_names();

CpuFeatures cpu_features(const std::vector<std::string> & names = cpu_feature_names());

}  // namespace jina_reranker
