#pragma once

// A sound GGUF, damaged in up to three ways: a function of a seed, so that a finding can be made again.

#include "gguf-model.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace gguf_damage {

using Random = std::mt19937_64;

template <typename T>
const T & any_of(Random & random, const std::vector<T> & values) {
    return values[random() % values.size()];
}

inline uint64_t lie(Random & random) {
    static const std::vector<uint64_t> values = {
        0,          1,          2,          3,           4,          7,          31,         63,
        64,         65,         128,        255,         256,        511,        512,        513,
        1000,       4096,       65535,      65536,       1000000,    0x3FFFFFFF, 0x40000000, 0x7FFFFFFF,
        0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0x100000000, 1ULL << 40, 1ULL << 61, 1ULL << 62, 0x7FFFFFFFFFFFFFFF,
        ~0ULL - 31, ~0ULL,
    };
    return any_of(random, values);
}

// Keys that llama.cpp reads for every architecture, or looks for by name.
inline const std::vector<std::string> & known_keys() {
    static const std::vector<std::string> keys = {
        "",
        "general.alignment",
        "general.architecture",
        "general.name",
        "general.type",
        "general.file_type",
        "general.quantization_version",
        "general.sampling.top_k",
        "qwen2vl.vocab_size",
        "qwen2vl.context_length",
        "qwen2vl.embedding_length",
        "qwen2vl.embedding_length_out",
        "qwen2vl.block_count",
        "qwen2vl.feed_forward_length",
        "qwen2vl.expert_count",
        "qwen2vl.expert_used_count",
        "qwen2vl.expert_group_count",
        "qwen2vl.expert_group_used_count",
        "qwen2vl.nextn_predict_layers",
        "qwen2vl.n_deepstack_layers",
        "qwen2vl.pooling_type",
        "qwen2vl.logit_scale",
        "qwen2vl.attention.causal",
        "qwen2vl.attention.head_count",
        "qwen2vl.attention.head_count_kv",
        "qwen2vl.attention.key_length",
        "qwen2vl.attention.value_length",
        "qwen2vl.attention.key_length_swa",
        "qwen2vl.attention.value_length_swa",
        "qwen2vl.attention.layer_norm_rms_epsilon",
        "qwen2vl.attention.sliding_window",
        "qwen2vl.attention.max_alibi_bias",
        "qwen2vl.rope.dimension_count",
        "qwen2vl.rope.dimension_count_swa",
        "qwen2vl.rope.dimension_sections",
        "qwen2vl.rope.freq_base",
        "qwen2vl.rope.scale_linear",
        "qwen2vl.rope.scaling.type",
        "qwen2vl.rope.scaling.factor",
        "qwen2vl.rope.scaling.alpha",
        "qwen2vl.rope.scaling.attn_factor",
        "qwen2vl.rope.scaling.original_context_length",
        "qwen2vl.rope.scaling.finetuned",
        "qwen2vl.rope.scaling.yarn_log_multiplier",
        "qwen2vl.rope.scaling.yarn_ext_factor",
        "qwen2vl.classifier.output_labels",
        "split.no",
        "split.count",
        "split.tensors.count",
        "tokenizer.chat_template",
        "tokenizer.ggml.model",
        "tokenizer.ggml.pre",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type",
        "tokenizer.ggml.token_type_count",
        "tokenizer.ggml.scores",
        "tokenizer.ggml.merges",
        "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.unknown_token_id",
        "tokenizer.ggml.padding_token_id",
        "tokenizer.ggml.add_bos_token",
        "tokenizer.ggml.add_eos_token",
        "tokenizer.ggml.add_sep_token",
        "tokenizer.ggml.add_space_prefix",
        "tokenizer.ggml.precompiled_charsmap",
        "tokenizer.ggml.suppress_tokens",
        "adapter.type",
        "clip.projector_type",
        "clip.has_vision_encoder",
        "clip.has_audio_encoder",
        "clip.use_gelu",
        "clip.use_silu",
        "clip.vision.patch_size",
        "clip.vision.embedding_length",
        "clip.vision.block_count",
        "clip.vision.attention.head_count",
        "clip.vision.attention.head_count_kv",
        "clip.vision.attention.head_dim",
        "clip.vision.attention.layer_norm_epsilon",
        "clip.vision.projection_dim",
        "clip.vision.image_mean",
        "clip.vision.image_std",
        "clip.vision.n_wa_pattern",
        "clip.vision.spatial_merge_size",
    };
    return keys;
}

inline const std::vector<std::string> & known_words() {
    static const std::vector<std::string> words = {
        "",          "qwen2vl", "clip",    "llama",    "gpt2",           "bert",        "t5",
        "rwkv",      "plamo2",  "none",    "no_vocab", "qwen2",          "linear",      "longrope",
        "yarn",      "\xff",    "phi-3",   "a b c",    "[EMPTY_12]",     "<|box_end|>", "whitespace",
        "hybriddna", "kimi-k2", "default", "unused",   "qwen2vl_merger",
    };
    return words;
}

inline std::string random_payload(Random & random, int32_t type) {
    switch (type) {
        case GGUF_TYPE_STRING:
            return gguf_model::bytes_of_string(any_of(random, known_words()));
        case GGUF_TYPE_FLOAT32: {
            static const std::vector<float> floats = { 0.0f, -1.0f, 1e-30f, 1e30f, NAN, INFINITY, 1.0f };
            return gguf_model::bytes_of(any_of(random, floats));
        }
        case GGUF_TYPE_ARRAY: {
            const auto     item  = static_cast<int32_t>(random() % (GGUF_TYPE_COUNT + 1));
            const uint64_t count = random() % 4 == 0 ? lie(random) : random() % 6;
            std::string    out   = gguf_model::bytes_of(item) + gguf_model::bytes_of(count);
            for (uint64_t i = 0; i < std::min<uint64_t>(count, 600) && item != GGUF_TYPE_ARRAY; ++i) {
                out += random_payload(random, item);
            }
            return out;
        }
        default: {
            // Bytes of a value by its gguf_type; 4 for a number that is no type.
            static const std::vector<size_t> sizes = { 1, 1, 2, 2, 4, 4, 4, 1, 8, 4, 8, 8, 8 };
            const auto                       index = static_cast<size_t>(type);
            return gguf_model::bytes_of(lie(random)).substr(0, index < sizes.size() ? sizes[index] : 4);
        }
    }
}

inline void spoil_entry(Random & random, gguf_model::File & file) {
    if (file.entries.empty()) {
        return;
    }
    gguf_model::Entry & entry = file.entries[random() % file.entries.size()];
    switch (random() % 8) {
        case 0:
            entry.key = any_of(random, known_keys());
            break;
        case 1:
            entry.type = static_cast<int32_t>(random() % (GGUF_TYPE_COUNT + 2));
            break;
        case 2:
            entry.type    = static_cast<int32_t>(random() % GGUF_TYPE_COUNT);
            entry.payload = random_payload(random, entry.type);
            break;
        case 3:
            entry.payload = random_payload(random, entry.type);
            break;
        case 4:
            file.entries.erase(file.entries.begin() + (&entry - file.entries.data()));
            break;
        case 5:
            file.entries.push_back(entry);
            break;
        default:
            // In an array: its length, its type, or the bytes of its values.
            if (entry.payload.size() >= 8) {
                const size_t      at    = random() % 3 == 0 ? 4 : random() % (entry.payload.size() - 7);
                const std::string bytes = gguf_model::bytes_of(lie(random));
                entry.payload.replace(at, 8, bytes);
            }
    }
}

inline void add_entry(Random & random, gguf_model::File & file) {
    static const std::vector<int32_t> usual = { GGUF_TYPE_UINT32, GGUF_TYPE_UINT32, GGUF_TYPE_FLOAT32, GGUF_TYPE_STRING,
                                                GGUF_TYPE_BOOL,   GGUF_TYPE_UINT16, GGUF_TYPE_ARRAY };
    const int32_t type = random() % 4 == 0 ? static_cast<int32_t>(random() % GGUF_TYPE_COUNT) : any_of(random, usual);
    file.set({ any_of(random, known_keys()), type, random_payload(random, type) });
}

inline void spoil_tensor(Random & random, gguf_model::File & file) {
    if (file.tensors.empty()) {
        return;
    }
    gguf_model::Tensor & tensor = file.tensors[random() % file.tensors.size()];
    int32_t              type   = GGML_TYPE_F32;
    switch (random() % 8) {
        case 0:
            tensor.type = static_cast<int32_t>(random() % (GGML_TYPE_COUNT + 2)) - 1;
            break;
        case 1:  // of all vectors, or of all matrices
            type = static_cast<int32_t>(random() % GGML_TYPE_COUNT);
            for (gguf_model::Tensor & each : file.tensors) {
                if (each.shape.size() == tensor.shape.size()) {
                    each.type = type;
                }
            }
            break;
        case 2:
            tensor.offset = lie(random);
            break;
        case 3:
            tensor.shape.push_back(static_cast<int64_t>(random() % 2 == 0 ? 1 : lie(random)));
            break;
        case 4:
            if (!tensor.shape.empty()) {
                tensor.shape[random() % tensor.shape.size()] = static_cast<int64_t>(lie(random));
            }
            break;
        case 5:
            tensor.name = random() % 2 == 0 ? any_of(random, file.tensors).name : any_of(random, known_words());
            break;
        case 6:
            file.tensors.erase(file.tensors.begin() + (&tensor - file.tensors.data()));
            break;
        default:
            file.tensors.push_back({ "output.weight", tensor.shape, tensor.type, {} });
    }
}

inline void spoil_bytes(Random & random, std::string & bytes) {
    const size_t header = std::min<size_t>(bytes.size(), 9000);
    switch (random() % 5) {
        case 0:
            bytes.resize(random() % (random() % 2 == 0 ? header : bytes.size()));
            break;
        case 1:
            for (uint64_t i = 0; i < 1 + random() % 4; ++i) {
                bytes[random() % header] ^= static_cast<char>(1U << (random() % 8));
            }
            break;
        case 2:
            bytes.replace(random() % (header - 8), 8, gguf_model::bytes_of(lie(random)));
            break;
        case 3:
            bytes.replace(random() % (header - 8), 4, gguf_model::bytes_of(static_cast<uint32_t>(lie(random))));
            break;
        default:
            bytes.erase(random() % header, 1 + random() % 16);
    }
}

// file: the sound one.
inline std::string input_of(uint64_t seed, gguf_model::File file) {
    Random         random(seed);
    const uint64_t n = random() % 4;
    for (uint64_t i = 0; i < n; ++i) {
        switch (random() % 7) {
            case 0:
            case 1:
                spoil_entry(random, file);
                break;
            case 2:
            case 3:
                add_entry(random, file);
                break;
            case 4:
            case 5:
                spoil_tensor(random, file);
                break;
            default:
                switch (random() % 3) {
                    case 0:
                        file.n_tensors = lie(random);
                        break;
                    case 1:
                        file.n_entries = lie(random);
                        break;
                    default:
                        file.version = static_cast<uint32_t>(lie(random));
                }
        }
    }
    std::string bytes = file.bytes();
    if (n == 0 || random() % 4 == 0) {
        spoil_bytes(random, bytes);
    }
    return bytes;
}

}  // namespace gguf_damage
