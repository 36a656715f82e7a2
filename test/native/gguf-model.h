#pragma once

// A small valid GGUF of the engine's architecture with random weights, as parts that tests spoil before they write it.
// ggml's own writer asserts on what it is given: it cannot write a file that is wrong.

#include "ggml.h"
#include "gguf.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gguf_model {

template <typename T>
std::string bytes_of(const T & value) {
    std::string bytes(sizeof(value), '\0');
    std::memcpy(bytes.data(), &value, sizeof(value));
    return bytes;
}

inline std::string bytes_of_string(const std::string & text) {
    return bytes_of(static_cast<uint64_t>(text.size())) + text;
}

struct Entry {
    std::string key;
    int32_t     type = GGUF_TYPE_UINT32;
    std::string payload;  // as in the file: for an array its type, its length and its values
};

struct Tensor {
    std::string             name;
    std::vector<int64_t>    shape;
    int32_t                 type = GGML_TYPE_F32;
    std::optional<uint64_t> offset;  // instead of the place behind the tensor before
};

inline Entry u32(const std::string & key, uint32_t value) {
    return { key, GGUF_TYPE_UINT32, bytes_of(value) };
}

inline Entry f32(const std::string & key, float value) {
    return { key, GGUF_TYPE_FLOAT32, bytes_of(value) };
}

inline Entry boolean(const std::string & key, bool value) {
    return { key, GGUF_TYPE_BOOL, bytes_of(value) };
}

inline Entry string(const std::string & key, const std::string & value) {
    return { key, GGUF_TYPE_STRING, bytes_of_string(value) };
}

inline Entry strings(const std::string & key, const std::vector<std::string> & values) {
    std::string payload = bytes_of<int32_t>(GGUF_TYPE_STRING) + bytes_of(static_cast<uint64_t>(values.size()));
    for (const std::string & value : values) {
        payload += bytes_of_string(value);
    }
    return { key, GGUF_TYPE_ARRAY, payload };
}

inline Entry f32s(const std::string & key, const std::vector<float> & values) {
    std::string payload = bytes_of<int32_t>(GGUF_TYPE_FLOAT32) + bytes_of(static_cast<uint64_t>(values.size()));
    for (const float value : values) {
        payload += bytes_of(value);
    }
    return { key, GGUF_TYPE_ARRAY, payload };
}

inline Entry i32s(const std::string & key, const std::vector<int32_t> & values) {
    std::string payload = bytes_of<int32_t>(GGUF_TYPE_INT32) + bytes_of(static_cast<uint64_t>(values.size()));
    for (const int32_t value : values) {
        payload += bytes_of(value);
    }
    return { key, GGUF_TYPE_ARRAY, payload };
}

struct File {
    uint32_t                version = GGUF_VERSION;
    std::optional<uint64_t> n_tensors;  // instead of how many there are
    std::optional<uint64_t> n_entries;
    std::vector<Entry>      entries;
    std::vector<Tensor>     tensors;

    Entry & entry(const std::string & key) {
        for (Entry & entry : entries) {
            if (entry.key == key) {
                return entry;
            }
        }
        throw std::out_of_range("the model has no key " + key);
    }

    void set(const Entry & changed) {
        for (Entry & entry : entries) {
            if (entry.key == changed.key) {
                entry = changed;
                return;
            }
        }
        entries.push_back(changed);
    }

    Tensor & tensor(const std::string & name) {
        for (Tensor & tensor : tensors) {
            if (tensor.name == name) {
                return tensor;
            }
        }
        throw std::out_of_range("the model has no tensor " + name);
    }

    std::string bytes() const;
};

// Bytes of a tensor's data: none for a shape or type that makes no sense, and a megabyte at most.
inline uint64_t data_bytes(const Tensor & tensor) {
    constexpr uint64_t kLimit = 1U << 20U;
    uint64_t           n      = 1;
    for (const int64_t length : tensor.shape) {
        if (length <= 0 || static_cast<uint64_t>(length) > kLimit || (n *= static_cast<uint64_t>(length)) > kLimit) {
            return 0;
        }
    }
    if (tensor.type < 0 || tensor.type >= GGML_TYPE_COUNT) {
        return 0;
    }
    const auto type  = static_cast<ggml_type>(tensor.type);
    const auto block = static_cast<uint64_t>(ggml_blck_size(type));
    return block == 0 ? 0 : n / block * ggml_type_size(type);
}

inline std::string File::bytes() const {
    constexpr uint64_t kAlignment = GGUF_DEFAULT_ALIGNMENT;
    std::string        out        = GGUF_MAGIC + bytes_of(version);
    out += bytes_of(n_tensors.value_or(tensors.size())) + bytes_of(n_entries.value_or(entries.size()));
    for (const Entry & entry : entries) {
        out += bytes_of_string(entry.key) + bytes_of(entry.type) + entry.payload;
    }
    uint64_t    offset = 0;
    std::string data;
    for (const Tensor & tensor : tensors) {
        out += bytes_of_string(tensor.name) + bytes_of(static_cast<uint32_t>(tensor.shape.size()));
        for (const int64_t length : tensor.shape) {
            out += bytes_of(length);
        }
        out += bytes_of(tensor.type) + bytes_of(tensor.offset.value_or(offset));
        const uint64_t n = data_bytes(tensor);
        for (uint64_t i = 0; i < n; ++i) {
            data += static_cast<char>(0x28 + i % 5);  // small numbers, whatever the type
        }
        offset = (offset + n + kAlignment - 1) / kAlignment * kAlignment;
        data.resize(offset);
    }
    out.resize((out.size() + kAlignment - 1) / kAlignment * kAlignment);
    return out + data;
}

// The letter that GPT-2's vocabulary has for a byte.
inline std::string letter_of(int byte) {
    const auto printable = [](int b) {
        return (b > 32 && b < 127) || (b > 160 && b != 173 && b < 256);
    };
    int code = byte;
    if (!printable(byte)) {
        code = 256;
        for (int b = 0; b < byte; ++b) {
            code += printable(b) ? 0 : 1;
        }
    }
    if (code < 128) {
        return std::string(1, static_cast<char>(code));
    }
    return { static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F)) };
}

constexpr uint32_t kWidth   = 256;  // one block of the K quantisations
constexpr uint32_t kHeads   = 4;
constexpr uint32_t kKvHeads = 2;
constexpr uint32_t kLayers  = 2;

// whole_words: user-defined tokens.
inline File small(const std::vector<std::string> & whole_words = {}) {
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) {
        tokens.push_back(letter_of(byte));
    }
    tokens.insert(tokens.end(), whole_words.begin(), whole_words.end());
    tokens.insert(tokens.end(), { "th", "the", "in", "<|box_end|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>" });
    std::vector<int32_t> types(tokens.size(), 1);
    std::fill_n(types.begin() + 256, whole_words.size(), 4);
    std::fill(types.end() - 4, types.end(), 3);
    const auto n_tokens = static_cast<uint32_t>(tokens.size());

    File file;
    file.entries = {
        string("general.architecture", "qwen2vl"),
        string("general.name", "small"),
        u32("general.file_type", 0),
        u32("qwen2vl.context_length", 32768),
        u32("qwen2vl.embedding_length", kWidth),
        u32("qwen2vl.block_count", kLayers),
        u32("qwen2vl.feed_forward_length", kWidth),
        u32("qwen2vl.attention.head_count", kHeads),
        u32("qwen2vl.attention.head_count_kv", kKvHeads),
        f32("qwen2vl.attention.layer_norm_rms_epsilon", 1e-6f),
        f32("qwen2vl.rope.freq_base", 1e6f),
        i32s("qwen2vl.rope.dimension_sections", { 8, 12, 12, 0 }),
        string("tokenizer.ggml.model", "gpt2"),
        string("tokenizer.ggml.pre", "qwen2"),
        strings("tokenizer.ggml.tokens", tokens),
        i32s("tokenizer.ggml.token_type", types),
        strings("tokenizer.ggml.merges", { "t h", "th e", "i n" }),
        u32("tokenizer.ggml.eos_token_id", n_tokens - 1),
        u32("tokenizer.ggml.padding_token_id", n_tokens - 3),
        u32("tokenizer.ggml.bos_token_id", n_tokens - 3),
        boolean("tokenizer.ggml.add_bos_token", false),
    };
    const int64_t n_embd    = kWidth;
    const int64_t n_embd_kv = int64_t{ kWidth } / kHeads * kKvHeads;
    const auto    vector    = [&](const std::string & name, int64_t length) {
        file.tensors.push_back({ name, { length }, GGML_TYPE_F32, {} });
    };
    const auto matrix = [&](const std::string & name, int64_t n_rows) {
        file.tensors.push_back({ name, { n_embd, n_rows }, GGML_TYPE_Q4_K, {} });
    };
    matrix("token_embd.weight", n_tokens);
    vector("output_norm.weight", n_embd);
    for (uint32_t layer = 0; layer < kLayers; ++layer) {
        const std::string prefix = "blk." + std::to_string(layer) + ".";
        vector(prefix + "attn_norm.weight", n_embd);
        vector(prefix + "ffn_norm.weight", n_embd);
        vector(prefix + "attn_q.bias", n_embd);
        vector(prefix + "attn_k.bias", n_embd_kv);
        vector(prefix + "attn_v.bias", n_embd_kv);
        matrix(prefix + "attn_q.weight", n_embd);
        matrix(prefix + "attn_k.weight", n_embd_kv);
        matrix(prefix + "attn_v.weight", n_embd_kv);
        for (const char * name : { "attn_output.weight", "ffn_gate.weight", "ffn_up.weight", "ffn_down.weight" }) {
            matrix(prefix + name, n_embd);
        }
    }
    return file;
}

constexpr uint32_t kTowerWidth  = 64;
constexpr uint32_t kTowerHeads  = 2;
constexpr uint32_t kTowerLayers = 2;
constexpr uint32_t kTowerFf     = 128;

// A vision tower for it.
inline File small_tower() {
    File file;
    file.entries = {
        string("general.architecture", "clip"),
        string("general.type", "mmproj"),
        boolean("clip.has_vision_encoder", true),
        string("clip.projector_type", "qwen2vl_merger"),
        u32("clip.vision.image_size", 560),
        u32("clip.vision.patch_size", 14),
        u32("clip.vision.embedding_length", kTowerWidth),
        u32("clip.vision.feed_forward_length", kWidth),
        u32("clip.vision.block_count", kTowerLayers),
        u32("clip.vision.attention.head_count", kTowerHeads),
        u32("clip.vision.projection_dim", kWidth),
        f32("clip.vision.attention.layer_norm_epsilon", 1e-6f),
        f32s("clip.vision.image_mean", { 0.5f, 0.5f, 0.5f }),
        f32s("clip.vision.image_std", { 0.25f, 0.25f, 0.25f }),
    };
    const int64_t n_embd = kTowerWidth;
    const auto    linear = [&](const std::string & name, int64_t n_in, int64_t n_out) {
        file.tensors.push_back({ name + ".weight", { n_in, n_out }, GGML_TYPE_Q8_0, {} });
        file.tensors.push_back({ name + ".bias", { n_out }, GGML_TYPE_F32, {} });
    };
    const auto norm = [&](const std::string & name) {
        file.tensors.push_back({ name + ".weight", { n_embd }, GGML_TYPE_F32, {} });
        file.tensors.push_back({ name + ".bias", { n_embd }, GGML_TYPE_F32, {} });
    };
    for (const char * name : { "v.patch_embd.weight", "v.patch_embd.weight.1" }) {
        file.tensors.push_back({ name, { 14, 14, 3, n_embd }, GGML_TYPE_F32, {} });
    }
    for (uint32_t layer = 0; layer < kTowerLayers; ++layer) {
        const std::string prefix = "v.blk." + std::to_string(layer) + ".";
        norm(prefix + "ln1");
        for (const char * name : { "attn_q", "attn_k", "attn_v", "attn_out" }) {
            linear(prefix + name, n_embd, n_embd);
        }
        norm(prefix + "ln2");
        linear(prefix + "ffn_up", n_embd, kTowerFf);
        linear(prefix + "ffn_down", kTowerFf, n_embd);
    }
    norm("v.post_ln");
    linear("mm.0", 4 * n_embd, 4 * n_embd);
    linear("mm.2", 4 * n_embd, kWidth);
    return file;
}

inline void write(const std::string & path, const std::string & bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) {
        throw std::runtime_error(path + ": could not be written");
    }
}

// A file in the temporary folder; the destructor removes it.
class Written {
  public:
    explicit Written(const std::string & bytes) :
        path_((std::filesystem::temp_directory_path() /
               ("gguf-model-" + std::to_string(reinterpret_cast<uintptr_t>(this)) + ".gguf"))
                  .string()) {
        write(path_, bytes);
    }

    ~Written() { std::filesystem::remove(path_); }

    Written(const Written &)             = delete;
    Written & operator=(const Written &) = delete;
    Written(Written &&)                  = delete;
    Written & operator=(Written &&)      = delete;

    const std::string & path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace gguf_model
