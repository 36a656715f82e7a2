#pragma once

// Rewrites a GGUF with its weights in another precision. Blocks for as long as it takes; any thread.

#include <cstdint>
#include <string>

namespace jina_reranker {

enum class QuantizeType { f32, f16, q8_0, q4_k_m };

// n_threads: 0 = default_thread_count(). The output appears whole or not at all. Throws model_not_found, model_invalid or
// engine_error.
void quantize(const std::string & input_path, const std::string & output_path, QuantizeType type, int32_t n_threads);

}  // namespace jina_reranker
