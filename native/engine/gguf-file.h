#pragma once

// A GGUF file's metadata as ggml reads it, and typed access to it: ggml's own getters abort on a missing key or another
// type. Every tensor's data lies inside the file. Immutable after the constructor.

#include "ggml-cpp.h"
#include "gguf.h"

#include <cstdint>
#include <string>

namespace jina_reranker {

class GgufFile {
  public:
    // Throws model_not_found, or model_invalid with what was expected and what was found.
    explicit GgufFile(const std::string & path);

    // Throws model_invalid.
    [[noreturn]] void fail(const std::string & what) const;

    const std::string & path() const { return path_; }

    // Where a tensor's data begins in the file, in bytes.
    uint64_t offset_of(const char * tensor) const;

    const gguf_context * metadata() const { return metadata_.get(); }

    ggml_context * tensors() const { return tensors_.get(); }

    // Of all tensors.
    uint64_t tensor_bytes() const;

    bool has(const std::string & key) const;

    // Index of a key of this type; fails without it.
    int64_t key(const std::string & name, gguf_type type) const;

    std::string string(const std::string & name) const;
    uint32_t    u32(const std::string & name) const;
    float       f32(const std::string & name) const;

    // Index of a key that is a list of this type.
    int64_t list(const std::string & name, gguf_type type) const;

  private:
    void check_file();
    void check_counts() const;
    void parse();
    void check_extent() const;

    std::string      path_;
    uint64_t         file_bytes_ = 0;
    gguf_context_ptr metadata_;
    ggml_context_ptr tensors_;
};

}  // namespace jina_reranker
