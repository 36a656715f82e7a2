#pragma once

// Rewrites a GGUF with its weights in another precision. Blocks for as long as it takes; any thread.

#include <cstdint>
#include <optional>
#include <string>

namespace jina_reranker {

enum class QuantizeType { f32, f16, bf16, q8_0, q4_k_m };

struct QuantizeOptions {
    int32_t n_threads       = 0;      // 0 = physical cores
    int32_t n_layers        = 0;      // keep that many from the middle, a model to take times with; 0 = all
    bool    keep_embeddings = false;  // the token embeddings, which are looked up and not multiplied, stay as they are
};

// type: none = every tensor stays as it is. Throws model_not_found, model_invalid or engine_error, and then leaves no
// output file. Writes to output_path + ".partial" first.
void quantize(const std::string &         input_path,
              const std::string &         output_path,
              std::optional<QuantizeType> type,
              const QuantizeOptions &     options);

}  // namespace jina_reranker
