#pragma once

// Refuses a file that llama.cpp would abort on or misread, before llama.cpp sees it: a failed GGML_ASSERT ends the
// process and cannot be caught.

#include "ggml.h"
#include "gguf-file.h"

#include <set>
#include <string>

namespace jina_reranker {

// What a sound file is made of.
struct GgufInfo {
    std::set<ggml_type> layer_types;         // of the matrices that the layers multiply by
    int64_t             n_layer_params = 0;  // numbers in them
};

// Throws model_invalid with what was expected and what was found; given a path, also model_not_found.
GgufInfo check_gguf(const GgufFile & file);
GgufInfo check_gguf(const std::string & path);

}  // namespace jina_reranker
