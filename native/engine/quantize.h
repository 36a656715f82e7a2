#pragma once

// Reads what the tensors of a GGUF are, and rewrites it with its weights in another precision. Blocks until that is done; any
// thread.

#include "ggml.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>

namespace jina_reranker {

enum class QuantizeType { f32, f16, bf16, q8_0, q4_k_m, q5_k_m };

struct QuantizeOptions {
    int32_t n_threads       = 0;      // 0 = physical cores
    int32_t n_layers        = 0;      // keep that many from the middle, a model to take times with; 0 = all
    bool    keep_embeddings = false;  // the token embeddings, which are looked up and not multiplied, stay as they are
};

struct WeightsInfo {
    int32_t             n_layer            = 0;
    uint64_t            n_params           = 0;
    uint64_t            n_bytes            = 0;  // of all tensors
    uint64_t            n_embedding_params = 0;  // of the token embeddings
    uint64_t            n_embedding_bytes  = 0;
    ggml_type           embedding_type     = GGML_TYPE_COUNT;
    std::set<ggml_type> matrix_types;  // of the layers, which are multiplied
};

// Throws model_not_found or model_invalid.
WeightsInfo inspect(const std::string & path);

// type: none = every tensor stays as it is. Throws invalid_argument when the output is the input, model_not_found,
// model_invalid, out_of_memory or engine_error, and then leaves no output file. Writes to output_path + ".partial" first.
void quantize(const std::string &         input_path,
              const std::string &         output_path,
              std::optional<QuantizeType> type,
              const QuantizeOptions &     options);

}  // namespace jina_reranker
