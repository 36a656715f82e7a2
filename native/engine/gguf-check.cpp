#include "gguf-check.h"

#include "error.h"
#include "ggml.h"
#include "gguf.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>

namespace jina_reranker {

namespace {

struct GgufDeleter {
    void operator()(gguf_context * context) const { gguf_free(context); }
};

struct GgmlDeleter {
    void operator()(ggml_context * context) const { ggml_free(context); }
};

constexpr const char * kArchitecture = "qwen2vl";

class GgufCheck {
  public:
    explicit GgufCheck(const std::string & path) : path_(path) {}

    GgufInfo run() {
        check_file();
        parse();
        check_extent();
        check_architecture();
        check_hyperparameters();
        check_tokenizer();
        return { layer_types() };
    }

  private:
    [[noreturn]] void fail(const std::string & what) const {
        throw Error(ErrorCode::model_invalid, path_ + ": " + what);
    }

    void check_file() {
        std::error_code error;
        // Paths are UTF-8, which Windows takes for its own code page without being told.
        const auto      path   = std::filesystem::u8path(path_);
        const auto      status = std::filesystem::status(path, error);
        if (error || !std::filesystem::exists(status)) {
            throw Error(ErrorCode::model_not_found, path_ + ": no such file");
        }
        if (!std::filesystem::is_regular_file(status)) {
            throw Error(ErrorCode::model_not_found, path_ + ": not a file");
        }
        file_bytes_ = std::filesystem::file_size(path, error);
        std::ifstream file(path, std::ios::binary);
        if (error || !file) {
            throw Error(ErrorCode::model_not_found, path_ + ": cannot be read: " + std::strerror(errno));
        }
        char magic[4] = {};
        file.read(magic, sizeof(magic));
        if (file.gcount() != sizeof(magic) || std::memcmp(magic, GGUF_MAGIC, sizeof(magic)) != 0) {
            fail("not a GGUF file: it does not begin with \"GGUF\"");
        }
    }

    void parse() {
        ggml_context * meta = nullptr;
        gguf_.reset(gguf_init_from_file(path_.c_str(), { /*.no_alloc =*/true, /*.ctx =*/&meta }));
        meta_.reset(meta);
        if (!gguf_ || !meta_) {
            fail("the GGUF header is truncated or damaged");
        }
    }

    // Every tensor's data must lie inside the file.
    void check_extent() const {
        const uint64_t data_offset = gguf_get_data_offset(gguf_.get());
        const int64_t  n_tensors   = gguf_get_n_tensors(gguf_.get());
        if (n_tensors == 0) {
            fail("holds no tensors");
        }
        for (int64_t i = 0; i < n_tensors; ++i) {
            const uint64_t end =
                data_offset + gguf_get_tensor_offset(gguf_.get(), i) + gguf_get_tensor_size(gguf_.get(), i);
            if (end > file_bytes_) {
                fail("truncated: tensor " + std::string(gguf_get_tensor_name(gguf_.get(), i)) + " ends at byte " +
                     std::to_string(end) + ", the file has " + std::to_string(file_bytes_));
            }
        }
    }

    void check_architecture() const {
        const int64_t id = key("general.architecture", GGUF_TYPE_STRING);
        if (const std::string name = gguf_get_val_str(gguf_.get(), id); name != kArchitecture) {
            fail("architecture is \"" + name + "\", this engine scores with \"" + kArchitecture + "\"");
        }
    }

    // What llama.cpp divides by or asserts on.
    void check_hyperparameters() const {
        const std::string prefix  = std::string(kArchitecture) + ".";
        const uint32_t    n_embd  = positive(prefix + "embedding_length");
        const uint32_t    n_head  = positive(prefix + "attention.head_count");
        const uint32_t    n_layer = positive(prefix + "block_count");
        positive(prefix + "feed_forward_length");
        positive(prefix + "context_length");
        const uint32_t n_head_kv = gguf_find_key(gguf_.get(), (prefix + "attention.head_count_kv").c_str()) < 0 ?
                                       n_head :
                                       positive(prefix + "attention.head_count_kv");
        if (n_layer > 512) {
            fail("has " + std::to_string(n_layer) + " layers, at most 512 are supported");
        }
        if (n_embd % n_head != 0 || n_head % n_head_kv != 0) {
            fail("embedding length " + std::to_string(n_embd) + ", " + std::to_string(n_head) + " heads and " +
                 std::to_string(n_head_kv) + " KV heads do not divide");
        }
        const uint32_t n_head_dim = n_embd / n_head;
        for (const char * name : { "attention.key_length", "attention.value_length", "rope.dimension_count" }) {
            if (gguf_find_key(gguf_.get(), (prefix + name).c_str()) >= 0 && positive(prefix + name) != n_head_dim) {
                fail(prefix + name + " is " + std::to_string(positive(prefix + name)) + ", expected " +
                     std::to_string(n_head_dim));
            }
        }
        const ggml_tensor * embedding = ggml_get_tensor(meta_.get(), "token_embd.weight");
        if (embedding == nullptr || embedding->ne[0] != static_cast<int64_t>(n_embd)) {
            fail("token_embd.weight is missing or not " + std::to_string(n_embd) + " wide");
        }
    }

    void check_tokenizer() const {
        const size_t        n_tokens  = string_array("tokenizer.ggml.tokens");
        const ggml_tensor * embedding = ggml_get_tensor(meta_.get(), "token_embd.weight");
        string_array("tokenizer.ggml.merges");
        if (static_cast<int64_t>(n_tokens) != embedding->ne[1]) {
            fail("the tokenizer has " + std::to_string(n_tokens) + " tokens, token_embd.weight " +
                 std::to_string(embedding->ne[1]) + " rows");
        }
        const int64_t types = gguf_find_key(gguf_.get(), "tokenizer.ggml.token_type");
        if (types >= 0 && (gguf_get_kv_type(gguf_.get(), types) != GGUF_TYPE_ARRAY ||
                           gguf_get_arr_n(gguf_.get(), types) != n_tokens)) {
            fail("tokenizer.ggml.token_type does not have one entry per token");
        }
    }

    std::set<ggml_type> layer_types() const {
        std::set<ggml_type> types;
        for (ggml_tensor * tensor = ggml_get_first_tensor(meta_.get()); tensor != nullptr;
             tensor               = ggml_get_next_tensor(meta_.get(), tensor)) {
            if (std::strncmp(tensor->name, "blk.", 4) == 0 && ggml_n_dims(tensor) == 2) {
                types.insert(tensor->type);
            }
        }
        return types;
    }

    int64_t key(const std::string & name, gguf_type type) const {
        const int64_t id = gguf_find_key(gguf_.get(), name.c_str());
        if (id < 0) {
            fail("has no key " + name);
        }
        if (gguf_get_kv_type(gguf_.get(), id) != type) {
            fail("key " + name + " is of type " + gguf_type_name(gguf_get_kv_type(gguf_.get(), id)) + ", expected " +
                 gguf_type_name(type));
        }
        return id;
    }

    uint32_t positive(const std::string & name) const {
        const uint32_t value = gguf_get_val_u32(gguf_.get(), key(name, GGUF_TYPE_UINT32));
        if (value == 0 || value > (1U << 30)) {
            fail("key " + name + " is " + std::to_string(value));
        }
        return value;
    }

    size_t string_array(const std::string & name) const {
        const int64_t id = key(name, GGUF_TYPE_ARRAY);
        if (gguf_get_arr_type(gguf_.get(), id) != GGUF_TYPE_STRING || gguf_get_arr_n(gguf_.get(), id) == 0) {
            fail("key " + name + " is not a list of strings");
        }
        return gguf_get_arr_n(gguf_.get(), id);
    }

    std::string                                path_;
    uint64_t                                   file_bytes_ = 0;
    std::unique_ptr<gguf_context, GgufDeleter> gguf_;
    std::unique_ptr<ggml_context, GgmlDeleter> meta_;
};

}  // namespace

GgufInfo check_gguf(const std::string & path) {
    return GgufCheck(path).run();
}

}  // namespace jina_reranker
