#pragma once

// Refuses a file that llama.cpp would abort on or misread, before llama.cpp sees it: a failed GGML_ASSERT ends the
// process and cannot be caught.

#include <string>

namespace jina_reranker {

// Throws model_not_found or model_invalid with what was expected and what was found.
void check_gguf(const std::string & path);

}  // namespace jina_reranker
