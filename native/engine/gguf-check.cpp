#include "gguf-check.h"

#include "attention-kernel.h"
#include "gguf-expect.h"
#include "gguf-file.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_set>

namespace jina_reranker {

namespace {

constexpr const char * kArchitecture = "qwen2vl";

std::string key_of(const std::string & name) {
    return std::string(kArchitecture) + "." + name;
}

// The lengths that the tensors' shapes are made of.
struct Lengths {
    uint32_t n_embd    = 0;
    uint32_t n_embd_kv = 0;
    uint32_t n_ff      = 0;
    uint32_t n_layer   = 0;
    uint32_t n_vocab   = 0;
};

void check_architecture(const GgufFile & file) {
    if (const std::string name = file.string("general.architecture"); name != kArchitecture) {
        file.fail("architecture is \"" + name + "\", this engine scores with \"" + kArchitecture + "\"");
    }
}

// Keys that llama.cpp reads for every architecture and that would make another model of this one, or end the process.
void check_other_kinds(const GgufFile & file) {
    for (const char * name : { "expert_count", "expert_used_count", "expert_group_count", "expert_group_used_count",
                               "nextn_predict_layers" }) {
        if (file.has(key_of(name)) && file.u32(key_of(name)) != 0) {
            file.fail("key " + key_of(name) + " is " + std::to_string(file.u32(key_of(name))) +
                      ", this engine scores with dense models only");
        }
    }
    if (const std::string name = key_of("attention.causal"); file.has(name)) {
        if (!gguf_get_val_bool(file.metadata(), file.key(name, GGUF_TYPE_BOOL))) {
            file.fail("key " + name + " is false, this engine scores with causal models only");
        }
    }
    if (const std::string name = key_of("rope.scaling.type"); file.has(name)) {
        if (const std::string type = file.string(name); type != "none") {
            file.fail("key " + name + " is \"" + type + "\", this engine computes no rope scaling");
        }
    }
    if (file.has("split.count")) {
        if (const auto count = gguf_get_val_u16(file.metadata(), file.key("split.count", GGUF_TYPE_UINT16));
            count > 1) {
            file.fail("is one of " + std::to_string(count) +
                      " parts of a model; join them with llama-gguf-split --merge");
        }
    }
}

// The sections say how many pairs of a head's dimensions each component of the position turns. The kernel divides by their sum.
void check_rope(const GgufFile & file, uint32_t n_head_dim) {
    const std::string name = key_of("rope.dimension_sections");
    const int64_t     id   = file.list(name, GGUF_TYPE_INT32);
    const size_t      n    = gguf_get_arr_n(file.metadata(), id);
    if (n != 3 && n != 4) {
        file.fail("key " + name + " has " + std::to_string(n) + " numbers, expected 3 or 4");
    }
    const auto * sections = static_cast<const int32_t *>(gguf_get_arr_data(file.metadata(), id));
    int64_t      sum      = 0;
    for (size_t i = 0; i < n; ++i) {
        if (sections[i] < 0) {
            file.fail("key " + name + " has the number " + std::to_string(sections[i]));
        }
        sum += sections[i];
    }
    if (sum * 2 != static_cast<int64_t>(n_head_dim)) {
        file.fail("key " + name + " adds up to " + std::to_string(sum) + ", expected half of a head's " +
                  std::to_string(n_head_dim) + " dimensions");
    }
    check_optional_float(file, key_of("rope.freq_base"), 1.0f, 1e37f);
    for (const char * factor : { "rope.scaling.factor", "rope.scale_linear", "rope.scaling.attn_factor" }) {
        check_optional_float(file, key_of(factor), 1.0f, 1.0f);
    }
}

// What llama.cpp divides by or asserts on.
Lengths check_hyperparameters(const GgufFile & file) {
    Lengths lengths;
    lengths.n_embd              = positive(file, key_of("embedding_length"));
    lengths.n_ff                = positive(file, key_of("feed_forward_length"));
    lengths.n_layer             = positive(file, key_of("block_count"));
    const uint32_t    n_head    = positive(file, key_of("attention.head_count"));
    const std::string kv_key    = key_of("attention.head_count_kv");
    const uint32_t    n_head_kv = file.has(kv_key) ? positive(file, kv_key) : n_head;
    positive(file, key_of("context_length"));
    if (lengths.n_layer > kMaxLayers) {
        file.fail("has " + std::to_string(lengths.n_layer) + " layers, at most " + std::to_string(kMaxLayers) +
                  " are supported");
    }
    if (lengths.n_embd % n_head != 0 || n_head % n_head_kv != 0) {
        file.fail("embedding length " + std::to_string(lengths.n_embd) + ", " + std::to_string(n_head) + " heads and " +
                  std::to_string(n_head_kv) + " KV heads do not divide");
    }
    const uint32_t n_head_dim = lengths.n_embd / n_head;
    lengths.n_embd_kv         = n_head_dim * n_head_kv;
    if (n_head_dim % kAttentionHead != 0) {
        file.fail("heads have " + std::to_string(n_head_dim) + " numbers, expected a multiple of " +
                  std::to_string(kAttentionHead));
    }
    for (const char * name : { "attention.key_length", "attention.value_length", "rope.dimension_count",
                               "attention.key_length_swa", "attention.value_length_swa", "rope.dimension_count_swa" }) {
        if (file.has(key_of(name)) && file.u32(key_of(name)) != n_head_dim) {
            file.fail(key_of(name) + " is " + std::to_string(file.u32(key_of(name))) + ", expected " +
                      std::to_string(n_head_dim));
        }
    }
    if (const std::string name = key_of("embedding_length_out"); file.has(name) && file.u32(name) != lengths.n_embd) {
        file.fail("key " + name + " is " + std::to_string(file.u32(name)) + ", expected " +
                  std::to_string(lengths.n_embd));
    }
    check_float(file, key_of("attention.layer_norm_rms_epsilon"), 0.0f, 1.0f);
    check_rope(file, n_head_dim);
    return lengths;
}

// llama.cpp asserts that no two tokens are the same. It names an empty token [EMPTY_N].
void check_tokens(const GgufFile & file, int64_t tokens, size_t n_tokens) {
    std::unordered_set<std::string> known;
    for (size_t i = 0; i < n_tokens; ++i) {
        std::string token = gguf_get_arr_str(file.metadata(), tokens, i);
        if (token.empty()) {
            token = "[EMPTY_" + std::to_string(i) + "]";
        }
        if (!known.insert(token).second) {
            file.fail("token " + std::to_string(i) + " of tokenizer.ggml.tokens is there already");
        }
    }
}

uint32_t check_tokenizer(const GgufFile & file) {
    for (const auto & [name, expected] :
         { std::pair("tokenizer.ggml.model", "gpt2"), std::pair("tokenizer.ggml.pre", "qwen2") }) {
        if (const std::string value = file.string(name); value != expected) {
            file.fail("key " + std::string(name) + " is \"" + value + "\", expected \"" + expected + "\"");
        }
    }
    const int64_t tokens   = file.list("tokenizer.ggml.tokens", GGUF_TYPE_STRING);
    const size_t  n_tokens = gguf_get_arr_n(file.metadata(), tokens);
    if (n_tokens == 0 || n_tokens > (1U << 30)) {
        file.fail("tokenizer.ggml.tokens has " + std::to_string(n_tokens) + " entries");
    }
    check_tokens(file, tokens, n_tokens);
    file.list("tokenizer.ggml.merges", GGUF_TYPE_STRING);
    if (const char * name = "tokenizer.ggml.token_type"; file.has(name)) {
        if (gguf_get_arr_n(file.metadata(), file.list(name, GGUF_TYPE_INT32)) != n_tokens) {
            file.fail(std::string(name) + " does not have one entry per token");
        }
    }
    return static_cast<uint32_t>(n_tokens);
}

ExpectedTensors expected_tensors(const Lengths & lengths) {
    const int64_t   n_embd    = lengths.n_embd;
    const int64_t   n_embd_kv = lengths.n_embd_kv;
    const int64_t   n_ff      = lengths.n_ff;
    const int64_t   n_vocab   = lengths.n_vocab;
    ExpectedTensors all       = {
              { "token_embd.weight", { { n_embd, n_vocab }, true } },
              { "output_norm.weight", { { n_embd }, true } },
              { "output.weight", { { n_embd, n_vocab }, false } },
              { "output.bias", { { n_vocab }, false } },
    };
    for (uint32_t layer = 0; layer < lengths.n_layer; ++layer) {
        const std::string prefix           = "blk." + std::to_string(layer) + ".";
        all[prefix + "attn_norm.weight"]   = { { n_embd }, true };
        all[prefix + "attn_q.weight"]      = { { n_embd, n_embd }, true };
        all[prefix + "attn_q.bias"]        = { { n_embd }, false };
        all[prefix + "attn_k.weight"]      = { { n_embd, n_embd_kv }, true };
        all[prefix + "attn_k.bias"]        = { { n_embd_kv }, false };
        all[prefix + "attn_v.weight"]      = { { n_embd, n_embd_kv }, true };
        all[prefix + "attn_v.bias"]        = { { n_embd_kv }, false };
        all[prefix + "attn_output.weight"] = { { n_embd, n_embd }, true };
        all[prefix + "ffn_norm.weight"]    = { { n_embd }, true };
        all[prefix + "ffn_gate.weight"]    = { { n_embd, n_ff }, true };
        all[prefix + "ffn_up.weight"]      = { { n_embd, n_ff }, true };
        all[prefix + "ffn_down.weight"]    = { { n_ff, n_embd }, true };
    }
    return all;
}

GgufInfo layer_matrices(const GgufFile & file) {
    GgufInfo info;
    for (ggml_tensor * tensor = ggml_get_first_tensor(file.tensors()); tensor != nullptr;
         tensor               = ggml_get_next_tensor(file.tensors(), tensor)) {
        if (std::strncmp(tensor->name, "blk.", 4) == 0 && ggml_n_dims(tensor) == 2) {
            info.layer_types.insert(tensor->type);
            info.n_layer_params += ggml_nelements(tensor);
        }
    }
    return info;
}

}  // namespace

GgufInfo check_gguf(const std::string & path) {
    return check_gguf(GgufFile(path));
}

GgufInfo check_gguf(const GgufFile & file) {
    check_architecture(file);
    check_other_kinds(file);
    Lengths lengths = check_hyperparameters(file);
    lengths.n_vocab = check_tokenizer(file);
    check_tensors(file, expected_tensors(lengths), std::to_string(lengths.n_layer) + "-layer model of this kind");
    return layer_matrices(file);
}

}  // namespace jina_reranker
