#include "mmproj-check.h"

#include "attention-kernel.h"
#include "gguf-expect.h"

#include <cmath>
#include <string>
#include <utility>

namespace jina_reranker {

namespace {

std::string key_of(const std::string & name) {
    return "clip.vision." + name;
}

void check_string(const GgufFile & file, const char * name, const char * expected) {
    if (const std::string value = file.string(name); value != expected) {
        file.fail("key " + std::string(name) + " is \"" + value + "\", this engine sees with \"" + expected + "\"");
    }
}

bool flag(const GgufFile & file, const char * name) {
    return file.has(name) && gguf_get_val_bool(file.metadata(), file.key(name, GGUF_TYPE_BOOL));
}

void check_u32(const GgufFile & file, const std::string & name, int32_t expected) {
    if (const uint32_t value = file.u32(name); value != static_cast<uint32_t>(expected)) {
        file.fail("key " + name + " is " + std::to_string(value) + ", expected " + std::to_string(expected));
    }
}

// Keys of other towers, which would compute something else with the same tensors.
void check_kind(const GgufFile & file) {
    check_string(file, "general.architecture", "clip");
    check_string(file, "clip.projector_type", "qwen2vl_merger");
    if (!flag(file, "clip.has_vision_encoder")) {
        file.fail("key clip.has_vision_encoder is missing or false, expected true");
    }
    for (const char * name : { "clip.has_audio_encoder", "clip.use_gelu", "clip.use_silu" }) {
        if (flag(file, name)) {
            file.fail("key " + std::string(name) + " is true, expected false or no such key");
        }
    }
    if (const std::string name = key_of("n_wa_pattern"); file.has(name)) {
        check_u32(file, name, 0);
    }
    check_u32(file, key_of("patch_size"), kPatchPixels);
    if (const std::string name = key_of("spatial_merge_size"); file.has(name)) {
        check_u32(file, name, kMergedSide);
    }
}

// A number for each of red, green and blue.
std::array<float, 3> colours(const GgufFile & file, const std::string & name, float lowest, float highest) {
    const int64_t        id = file.list(name, GGUF_TYPE_FLOAT32);
    std::array<float, 3> values{};
    if (const size_t n = gguf_get_arr_n(file.metadata(), id); n != values.size()) {
        file.fail("key " + name + " has " + std::to_string(n) + " numbers, expected 3");
    }
    const auto * numbers = static_cast<const float *>(gguf_get_arr_data(file.metadata(), id));
    for (size_t i = 0; i < values.size(); ++i) {
        values[i] = numbers[i];
        if (!(values[i] >= lowest && values[i] <= highest)) {
            file.fail("key " + name + " has the number " + std::to_string(values[i]));
        }
    }
    return values;
}

// Of the matrices that a tensor's file has no key for.
int32_t length_of(const GgufFile & file, const char * tensor, int dimension) {
    const ggml_tensor * found = ggml_get_tensor(file.tensors(), tensor);
    if (found == nullptr) {
        file.fail("has no tensor " + std::string(tensor));
    }
    if (found->ne[dimension] <= 0 || found->ne[dimension] > (1 << 30)) {
        file.fail("tensor " + std::string(tensor) + " has a side of " + std::to_string(found->ne[dimension]));
    }
    return static_cast<int32_t>(found->ne[dimension]);
}

VisionShape check_lengths(const GgufFile & file, int32_t n_embd) {
    VisionShape shape;
    shape.n_layer = static_cast<int32_t>(positive(file, key_of("block_count")));
    shape.n_embd  = static_cast<int32_t>(positive(file, key_of("embedding_length")));
    shape.n_head  = static_cast<int32_t>(positive(file, key_of("attention.head_count")));
    shape.n_out   = n_embd;
    if (static_cast<uint32_t>(shape.n_layer) > kMaxLayers) {
        file.fail("has " + std::to_string(shape.n_layer) + " layers, at most " + std::to_string(kMaxLayers) +
                  " are supported");
    }
    if (shape.n_embd % shape.n_head != 0 || shape.head_size() % kAttentionHead != 0) {
        file.fail("embedding length " + std::to_string(shape.n_embd) + " and " + std::to_string(shape.n_head) +
                  " heads, expected heads of a multiple of " + std::to_string(kAttentionHead) + " numbers");
    }
    if (const std::string name = key_of("attention.head_count_kv"); file.has(name)) {
        check_u32(file, name, shape.n_head);
    }
    if (const std::string name = key_of("attention.head_dim"); file.has(name)) {
        check_u32(file, name, shape.head_size());
    }
    if (const uint32_t n = file.u32(key_of("projection_dim")); n != static_cast<uint32_t>(n_embd)) {
        file.fail("key " + key_of("projection_dim") + " is " + std::to_string(n) + ", the model's embeddings have " +
                  std::to_string(n_embd) + " numbers: it is the vision tower of another model");
    }
    check_float(file, key_of("attention.layer_norm_epsilon"), 0.0f, 1.0f);
    shape.epsilon           = file.f32(key_of("attention.layer_norm_epsilon"));
    shape.mean              = colours(file, key_of("image_mean"), -1e3f, 1e3f);
    shape.std               = colours(file, key_of("image_std"), 1e-3f, 1e3f);
    const int32_t n_in_up   = length_of(file, "v.blk.0.ffn_up.weight", 0);
    const int32_t n_in_down = length_of(file, "v.blk.0.ffn_down.weight", 0);
    shape.swapped           = n_in_down == shape.n_embd && n_in_up != shape.n_embd;
    shape.n_ff              = shape.swapped ? n_in_up : n_in_down;
    return shape;
}

ExpectedTensors expected_tensors(const VisionShape & shape) {
    ExpectedTensors all;
    const auto      linear = [&](const std::string & name, int64_t n_in, int64_t n_out) {
        all[name + ".weight"] = { { n_in, n_out }, true };
        all[name + ".bias"]   = { { n_out }, true };
    };
    const auto norm = [&](const std::string & name) {
        all[name + ".weight"] = { { shape.n_embd }, true };
        all[name + ".bias"]   = { { shape.n_embd }, true };
    };
    for (const char * name : { "v.patch_embd.weight", "v.patch_embd.weight.1" }) {
        all[name] = { { kPatchPixels, kPatchPixels, 3, shape.n_embd }, true };
    }
    for (int32_t layer = 0; layer < shape.n_layer; ++layer) {
        const std::string prefix = "v.blk." + std::to_string(layer) + ".";
        norm(prefix + "ln1");
        norm(prefix + "ln2");
        for (const char * name : { "attn_q", "attn_k", "attn_v", "attn_out" }) {
            linear(prefix + name, shape.n_embd, shape.n_embd);
        }
        linear(prefix + (shape.swapped ? "ffn_down" : "ffn_up"), shape.n_embd, shape.n_ff);
        linear(prefix + (shape.swapped ? "ffn_up" : "ffn_down"), shape.n_ff, shape.n_embd);
    }
    norm("v.post_ln");
    linear("mm.0", shape.n_merged(), shape.n_merged());
    linear("mm.2", shape.n_merged(), shape.n_out);
    return all;
}

}  // namespace

VisionShape check_mmproj(const GgufFile & file, int32_t n_embd) {
    check_kind(file);
    VisionShape shape = check_lengths(file, n_embd);
    check_tensors(file, expected_tensors(shape), "vision tower of " + std::to_string(shape.n_layer) + " layers");
    return shape;
}

}  // namespace jina_reranker
