// The check of a vision tower's file: what would be misread is refused with the name of what is wrong. Each file is made here
// from a sound one.

#include "check.h"
#include "error.h"
#include "gguf-model.h"
#include "mmproj-check.h"
#include "written-file.h"

#include <cmath>
#include <limits>

using namespace jina_reranker;
using gguf_model::File;

namespace {

VisionShape checked(const std::string & bytes) {
    const WrittenFile file(bytes);
    return check_mmproj(GgufFile(file.path()), gguf_model::kWidth);
}

void refused(const std::string & words, const std::string & bytes) {
    std::string message = "nothing";
    try {
        checked(bytes);
    } catch (const Error & error) {
        CHECK(error.code == ErrorCode::model_invalid);
        message = error.what();
    }
    if (message.find(words) == std::string::npos) {
        check::fail(__FILE__, __LINE__, "expected \"" + words + "\", got \"" + message + "\"");
    }
}

template <typename Spoil>
void refused_with(const std::string & words, Spoil spoil) {
    File file = gguf_model::small_tower();
    spoil(file);
    refused(words, file.bytes());
}

void refused_entry(const std::string & words, const gguf_model::Entry & entry) {
    refused_with(words, [&](File & file) { file.set(entry); });
}

void takes_a_sound_file() {
    const VisionShape shape = checked(gguf_model::small_tower().bytes());
    CHECK_EQUAL(shape.n_layer, static_cast<int32_t>(gguf_model::kTowerLayers));
    CHECK_EQUAL(shape.n_embd, static_cast<int32_t>(gguf_model::kTowerWidth));
    CHECK_EQUAL(shape.n_head, static_cast<int32_t>(gguf_model::kTowerHeads));
    CHECK_EQUAL(shape.n_ff, static_cast<int32_t>(gguf_model::kTowerFf));
    CHECK_EQUAL(shape.n_out, static_cast<int32_t>(gguf_model::kWidth));
    CHECK_EQUAL(shape.epsilon, 1e-6f);
    CHECK(shape.mean == (std::array<float, 3>{ 0.5f, 0.5f, 0.5f }));
    CHECK(!shape.swapped);
}

void takes_what_changes_nothing() {
    File file = gguf_model::small_tower();
    file.set(gguf_model::boolean("clip.has_audio_encoder", false));
    file.set(gguf_model::boolean("clip.use_silu", false));
    file.set(gguf_model::u32("clip.vision.spatial_merge_size", 2));
    file.set(gguf_model::u32("clip.vision.attention.head_count_kv", gguf_model::kTowerHeads));
    file.set(gguf_model::u32("clip.vision.n_wa_pattern", 0));
    file.set(gguf_model::u32("someone.elses_key", 7));
    file.tensor("v.patch_embd.weight").type   = GGML_TYPE_F16;
    file.tensor("v.blk.0.attn_q.weight").type = GGML_TYPE_F16;
    file.tensor("mm.0.weight").type           = GGML_TYPE_BF16;
    CHECK_EQUAL(checked(file.bytes()).n_layer, static_cast<int32_t>(gguf_model::kTowerLayers));
}

// As converters before 2025 wrote it.
void takes_the_two_matrices_under_each_others_names() {
    File file = gguf_model::small_tower();
    for (const char * prefix : { "v.blk.0.", "v.blk.1." }) {
        for (const char * part : { ".weight", ".bias" }) {
            gguf_model::Tensor & up   = file.tensor(std::string(prefix) + "ffn_up" + part);
            gguf_model::Tensor & down = file.tensor(std::string(prefix) + "ffn_down" + part);
            std::swap(up.name, down.name);
        }
    }
    const VisionShape shape = checked(file.bytes());
    CHECK(shape.swapped);
    CHECK_EQUAL(shape.n_ff, static_cast<int32_t>(gguf_model::kTowerFf));
    std::swap(file.tensor("v.blk.1.ffn_up.weight").name, file.tensor("v.blk.1.ffn_down.weight").name);
    refused("v.blk.1.ffn_up.weight is 64 × 128, expected 128 × 64", file.bytes());
}

void refuses_a_file_cut_anywhere() {
    const std::string whole = gguf_model::small_tower().bytes();
    for (size_t length = 4; length + 1 < whole.size(); length += length < 600 ? 7 : 9973) {
        CHECK_ERROR(checked(whole.substr(0, length)), ErrorCode::model_invalid);
    }
}

void refuses_other_kinds() {
    refused("general.architecture is \"qwen2vl\", this engine sees with \"clip\"", gguf_model::small().bytes());
    refused_entry("clip.projector_type is \"qwen2.5vl_merger\"",
                  gguf_model::string("clip.projector_type", "qwen2.5vl_merger"));
    refused_entry("clip.projector_type is of type u32", gguf_model::u32("clip.projector_type", 1));
    refused_entry("clip.has_vision_encoder is missing or false", gguf_model::boolean("clip.has_vision_encoder", false));
    for (const char * name : { "clip.has_audio_encoder", "clip.use_gelu", "clip.use_silu" }) {
        refused_entry(std::string(name) + " is true", gguf_model::boolean(name, true));
    }
    refused_entry("n_wa_pattern is 8, expected 0", gguf_model::u32("clip.vision.n_wa_pattern", 8));
    refused_entry("patch_size is 16, expected 14", gguf_model::u32("clip.vision.patch_size", 16));
    refused_entry("spatial_merge_size is 4, expected 2", gguf_model::u32("clip.vision.spatial_merge_size", 4));
}

void refuses_lengths_that_do_not_fit() {
    refused_entry("projection_dim is 1536, the model's embeddings have 256 numbers",
                  gguf_model::u32("clip.vision.projection_dim", 1536));
    refused_entry("block_count is 0", gguf_model::u32("clip.vision.block_count", 0));
    refused_entry("has 513 layers", gguf_model::u32("clip.vision.block_count", 513));
    refused_entry("has no tensor v.blk.2.", gguf_model::u32("clip.vision.block_count", 3));
    refused_entry("tensor v.blk.1.", gguf_model::u32("clip.vision.block_count", 1));
    refused_entry("64 and 3 heads", gguf_model::u32("clip.vision.attention.head_count", 3));
    refused_entry("64 and 16 heads, expected heads of a multiple of 8",
                  gguf_model::u32("clip.vision.attention.head_count", 16));
    refused_entry("head_count_kv is 1, expected 2", gguf_model::u32("clip.vision.attention.head_count_kv", 1));
    refused_entry("head_dim is 64, expected 32", gguf_model::u32("clip.vision.attention.head_dim", 64));
    refused_entry("embedding_length is 2147483648", gguf_model::u32("clip.vision.embedding_length", 1U << 31U));
    refused_entry("is 14 × 14 × 3 × 64, expected 14 × 14 × 3 × 128",
                  gguf_model::u32("clip.vision.embedding_length", 128));
}

void refuses_numbers_that_are_none() {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    for (const float epsilon : { -1.0f, kNan, std::numeric_limits<float>::infinity() }) {
        refused_entry("layer_norm_epsilon", gguf_model::f32("clip.vision.attention.layer_norm_epsilon", epsilon));
    }
    refused_entry("image_mean has the number", gguf_model::f32s("clip.vision.image_mean", { 0.5f, kNan, 0.5f }));
    refused_entry("image_mean has 1 numbers", gguf_model::f32s("clip.vision.image_mean", { 0.5f }));
    refused_entry("image_mean is a list of i32", gguf_model::i32s("clip.vision.image_mean", { 1, 2, 3 }));
    refused_entry("image_std has the number 0", gguf_model::f32s("clip.vision.image_std", { 0.5f, 0.5f, 0.0f }));
    refused_with("has no key clip.vision.image_std",
                 [](File & file) { file.entry("clip.vision.image_std").key = "clip.vision.other"; });
}

void refuses_tensors_of_another_shape_type_or_name() {
    const auto in_tensor = [](const std::string & words, const std::string & name, auto change) {
        refused_with(words, [&](File & file) { change(file.tensor(name)); });
    };
    in_tensor("v.blk.1.attn_k.weight is 64 × 32, expected 64 × 64", "v.blk.1.attn_k.weight",
              [](gguf_model::Tensor & tensor) {
                  tensor.shape = { 64, 32 };
              });
    in_tensor("v.patch_embd.weight.1 is 14 × 14 × 192 × 1, expected 14 × 14 × 3 × 64", "v.patch_embd.weight.1",
              [](gguf_model::Tensor & tensor) {
                  tensor.shape = { 14, 14, 192 };
              });
    in_tensor("mm.2.weight is 256 × 64, expected 256 × 256", "mm.2.weight", [](gguf_model::Tensor & tensor) {
        tensor.shape = { 256, 64 };
    });
    in_tensor("v.post_ln.weight is of type f16", "v.post_ln.weight",
              [](gguf_model::Tensor & tensor) { tensor.type = GGML_TYPE_F16; });
    in_tensor("v.blk.0.ffn_down.weight is of type i32", "v.blk.0.ffn_down.weight",
              [](gguf_model::Tensor & tensor) { tensor.type = GGML_TYPE_I32; });
    in_tensor("tensor v.position_embd.weight is none of a vision tower of 2 layers", "v.blk.0.attn_q.bias",
              [](gguf_model::Tensor & tensor) { tensor.name = "v.position_embd.weight"; });
    for (const char * name : { "v.blk.0.ffn_up.weight", "v.blk.0.ffn_down.weight", "v.blk.1.attn_out.bias",
                               "v.post_ln.bias", "mm.0.weight", "v.patch_embd.weight.1" }) {
        refused_with("has no tensor " + std::string(name), [&](File & file) {
            file.tensors.erase(file.tensors.begin() + (&file.tensor(name) - file.tensors.data()));
        });
    }
}

}  // namespace

int main() {
    return check::run({
        { "takes a sound file", takes_a_sound_file },
        { "takes what changes nothing", takes_what_changes_nothing },
        { "takes the two matrices under each other's names", takes_the_two_matrices_under_each_others_names },
        { "refuses a file cut anywhere", refuses_a_file_cut_anywhere },
        { "refuses other kinds", refuses_other_kinds },
        { "refuses lengths that do not fit", refuses_lengths_that_do_not_fit },
        { "refuses numbers that are none", refuses_numbers_that_are_none },
        { "refuses tensors of another shape, type or name", refuses_tensors_of_another_shape_type_or_name },
    });
}
