// The check of a GGUF: what llama.cpp aborts on or misreads is refused before it sees it, with the name of what is wrong.
// Found by fuzz-gguf.cpp or by reading llama.cpp's assertions; each file is made here from a sound one.

#include "check.h"
#include "error.h"
#include "gguf-check.h"
#include "gguf-model.h"
#include "quantize.h"
#include "written-file.h"

#include <cmath>
#include <limits>

using namespace jina_reranker;
using gguf_model::File;

namespace {

// Expects model_invalid with these words, from the check and from inspect().
void refused(const std::string & words, const std::string & bytes) {
    const WrittenFile file(bytes);
    CHECK_ERROR(inspect(file.path()), ErrorCode::model_invalid);
    std::string message = "nothing";
    try {
        check_gguf(file.path());
    } catch (const Error & error) {
        message = error.what();
    }
    if (message.find(words) == std::string::npos) {
        check::fail(__FILE__, __LINE__, "expected \"" + words + "\", got \"" + message + "\"");
    }
}

template <typename Spoil>
void refused_with(const std::string & words, Spoil spoil) {
    File file = gguf_model::small();
    spoil(file);
    refused(words, file.bytes());
}

void refused_entry(const std::string & words, const gguf_model::Entry & entry) {
    refused_with(words, [&](File & file) { file.set(entry); });
}

void takes_a_sound_file() {
    const WrittenFile file(gguf_model::small().bytes());
    CHECK(check_gguf(file.path()).layer_types == std::set<ggml_type>{ GGML_TYPE_Q4_K });
    CHECK_EQUAL(inspect(file.path()).n_layer, static_cast<int32_t>(gguf_model::kLayers));
}

void takes_what_changes_nothing() {
    File file = gguf_model::small();
    file.set(gguf_model::u32("qwen2vl.expert_count", 0));
    file.set(gguf_model::boolean("qwen2vl.attention.causal", true));
    file.set(gguf_model::string("qwen2vl.rope.scaling.type", "none"));
    file.set(gguf_model::f32("qwen2vl.rope.scaling.factor", 1.0f));
    file.set(gguf_model::u32("qwen2vl.rope.dimension_count", gguf_model::kWidth / gguf_model::kHeads));
    file.set(gguf_model::f32("qwen2vl.rope.freq_base", 1e30f));  // the demo model's, which all but stops the turning
    file.set(gguf_model::u32("someone.elses_key", 7));
    file.tensors.push_back({ "output.weight", file.tensor("token_embd.weight").shape, GGML_TYPE_F16, {} });
    const WrittenFile written(file.bytes());
    CHECK_EQUAL(check_gguf(written.path()).layer_types.size(), 1U);
}

void refuses_counts_that_lie() {
    refused_with("at most 16384", [](File & file) { file.n_tensors = 1ULL << 40; });
    refused_with("at most 16384", [](File & file) { file.n_entries = std::numeric_limits<uint64_t>::max(); });
    refused_with("truncated or damaged", [](File & file) { file.n_tensors = file.tensors.size() + 1; });
    refused_with("truncated or damaged", [](File & file) { file.n_entries = file.entries.size() + 1; });
    refused_with("version 1", [](File & file) { file.version = 1; });
    refused_with("truncated or damaged", [](File & file) {
        file.entry("tokenizer.ggml.tokens").payload.replace(4, 8, gguf_model::bytes_of(1ULL << 61U));
    });
}

void refuses_a_file_cut_anywhere() {
    const std::string whole = gguf_model::small().bytes();
    for (size_t length = 4; length + 1 < whole.size(); length += length < 600 ? 7 : 4099) {
        const WrittenFile file(whole.substr(0, length));
        CHECK_ERROR(check_gguf(file.path()), ErrorCode::model_invalid);
    }
}

void refuses_experts_and_predicting_layers() {
    for (const char * name : { "expert_count", "expert_used_count", "expert_group_count", "expert_group_used_count",
                               "nextn_predict_layers" }) {
        refused_entry(name, gguf_model::u32(std::string("qwen2vl.") + name, 1000));
    }
    refused_entry("expert_used_count is of type arr",
                  gguf_model::i32s("qwen2vl.expert_used_count", std::vector<int32_t>(gguf_model::kLayers, 3)));
}

void refuses_other_attention_and_positions() {
    refused_entry("attention.causal is false", gguf_model::boolean("qwen2vl.attention.causal", false));
    for (const char * type : { "linear", "yarn", "longrope", "su" }) {
        refused_entry("rope.scaling.type is \"" + std::string(type) + "\"",
                      gguf_model::string("qwen2vl.rope.scaling.type", type));
    }
    for (const char * factor : { "rope.scaling.factor", "rope.scale_linear", "rope.scaling.attn_factor" }) {
        refused_entry(std::string(factor) + " is 2, expected 1",
                      gguf_model::f32(std::string("qwen2vl.") + factor, 2.0f));
    }
    refused_entry("rope.dimension_sections adds up to 0",
                  gguf_model::i32s("qwen2vl.rope.dimension_sections", { 0, 0, 0, 0 }));
    refused_entry("has the number -8", gguf_model::i32s("qwen2vl.rope.dimension_sections", { 48, -8, -8, 0 }));
    refused_entry("expected 3 or 4", gguf_model::i32s("qwen2vl.rope.dimension_sections", { 32 }));
    refused_entry("rope.dimension_count is 32", gguf_model::u32("qwen2vl.rope.dimension_count", 32));
    refused_entry("attention.key_length_swa", gguf_model::u32("qwen2vl.attention.key_length_swa", 0));
    refused_entry("embedding_length_out", gguf_model::u32("qwen2vl.embedding_length_out", 1U << 31U));
}

void refuses_numbers_that_are_none() {
    for (const float epsilon :
         { -1.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity() }) {
        refused_entry("layer_norm_rms_epsilon", gguf_model::f32("qwen2vl.attention.layer_norm_rms_epsilon", epsilon));
    }
    refused_entry("rope.freq_base", gguf_model::f32("qwen2vl.rope.freq_base", 0.0f));
    refused_entry("rope.scaling.factor", gguf_model::f32("qwen2vl.rope.scaling.factor", NAN));
}

void refuses_a_part_of_a_split_model() {
    refused_entry("is one of 3 parts", { "split.count", GGUF_TYPE_UINT16, gguf_model::bytes_of<uint16_t>(3) });
}

void refuses_another_tokenizer() {
    refused_entry("tokenizer.ggml.model is \"bert\"", gguf_model::string("tokenizer.ggml.model", "bert"));
    refused_entry("tokenizer.ggml.pre is \"default\"", gguf_model::string("tokenizer.ggml.pre", "default"));
    refused_with("token_type", [](File & file) {
        file.set(gguf_model::i32s("tokenizer.ggml.token_type", std::vector<int32_t>(3, 1)));
    });
    refused_entry("merges is a list of i32", gguf_model::i32s("tokenizer.ggml.merges", { 1, 2 }));
}

void refuses_tokens_that_are_alike() {
    const auto spoil = [](const std::string & from, const std::string & to) {
        return [=](File & file) {
            std::string & payload = file.entry("tokenizer.ggml.tokens").payload;
            const auto    text    = gguf_model::bytes_of_string(from);
            payload.replace(payload.find(text), text.size(), gguf_model::bytes_of_string(to));
        };
    };
    refused_with("token 257", spoil("the", "th"));
    // llama.cpp gives an empty token this name.
    refused_with("token 258", [&](File & file) {
        spoil("the", "")(file);
        spoil("in", "[EMPTY_257]")(file);
    });
}

void refuses_tensors_of_another_shape_type_or_name() {
    const auto in_tensor = [](const std::string & words, const std::string & name, auto change) {
        refused_with(words, [&](File & file) { change(file.tensor(name)); });
    };
    const auto reshape = [](std::vector<int64_t> shape) {
        return [shape = std::move(shape)](gguf_model::Tensor & tensor) {
            tensor.shape = shape;
        };
    };
    const auto retype = [](ggml_type type) {
        return [type](gguf_model::Tensor & tensor) {
            tensor.type = type;
        };
    };
    in_tensor("blk.1.attn_k.weight is 256 × 256, expected 256 × 128", "blk.1.attn_k.weight", reshape({ 256, 256 }));
    in_tensor("blk.0.ffn_down.weight is 256 × 256 × 2", "blk.0.ffn_down.weight", reshape({ 256, 256, 2 }));
    in_tensor("blk.0.attn_q.bias is 0", "blk.0.attn_q.bias", reshape({ 0 }));
    in_tensor("output_norm.weight is of type f16", "output_norm.weight", retype(GGML_TYPE_F16));
    in_tensor("token_embd.weight is of type i32", "token_embd.weight", retype(GGML_TYPE_I32));
    in_tensor("blk.0.attn_q.weight is of type q8_K", "blk.0.attn_q.weight", retype(GGML_TYPE_Q8_K));
    in_tensor("tensor strange is none of", "blk.0.attn_q.bias",
              [](gguf_model::Tensor & tensor) { tensor.name = "strange"; });
    in_tensor("truncated or damaged", "blk.0.attn_q.bias",
              [](gguf_model::Tensor & tensor) { tensor.name = "blk.0.attn_k.bias"; });
    in_tensor("truncated or damaged", "blk.0.attn_q.bias", [](gguf_model::Tensor & tensor) { tensor.offset = 0; });
    // Its number of elements overflows to 0, so ggml takes it for an empty tensor.
    in_tensor("expected 256 × 256", "blk.0.attn_q.weight", reshape({ 1LL << 40, 1LL << 40 }));
    refused_with("has no tensor blk.1.ffn_up.weight", [](File & file) {
        file.tensors.erase(file.tensors.begin() + (&file.tensor("blk.1.ffn_up.weight") - file.tensors.data()));
    });
}

}  // namespace

int main() {
    return check::run({
        { "takes a sound file", takes_a_sound_file },
        { "takes what changes nothing", takes_what_changes_nothing },
        { "refuses counts that lie", refuses_counts_that_lie },
        { "refuses a file cut anywhere", refuses_a_file_cut_anywhere },
        { "refuses experts and predicting layers", refuses_experts_and_predicting_layers },
        { "refuses other attention and positions", refuses_other_attention_and_positions },
        { "refuses numbers that are none", refuses_numbers_that_are_none },
        { "refuses a part of a split model", refuses_a_part_of_a_split_model },
        { "refuses another tokenizer", refuses_another_tokenizer },
        { "refuses tokens that are alike", refuses_tokens_that_are_alike },
        { "refuses tensors of another shape, type or name", refuses_tensors_of_another_shape_type_or_name },
    });
}
