// The vision tower's weights: numbers that are not finite are refused by the name of their tensor, the two frames' patches are
// summed, and loading can be stopped.

#include "backend.h"
#include "check.h"
#include "error.h"
#include "gguf-model.h"
#include "image-patches.h"
#include "vision-weights.h"
#include "written-file.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace jina_reranker;

namespace {

// The weights of a file with the tower's lengths; spoil gets its bytes and where a tensor's begin.
template <typename Spoil>
VisionWeights loaded(const std::string & tensor, Spoil spoil, const LoadProgress & progress = {}) {
    gguf_model::File file  = gguf_model::small_tower();
    std::string      bytes = file.bytes();
    {
        const WrittenFile sound(bytes);
        spoil(bytes, static_cast<size_t>(GgufFile(sound.path()).offset_of(tensor.c_str())));
    }
    const WrittenFile written(bytes);
    const GgufFile    gguf(written.path());
    return { gguf, check_mmproj(gguf, gguf_model::kWidth), usable_devices(Backend::cpu).front(), progress };
}

template <typename Number>
auto put(Number number, size_t index) {
    return [=](std::string & bytes, size_t begin) {
        std::memcpy(bytes.data() + begin + index * sizeof(number), &number, sizeof(number));
    };
}

template <typename Spoil>
void refused(const std::string & tensor, Spoil spoil) {
    std::string message = "nothing";
    try {
        loaded(tensor, spoil);
    } catch (const Error & error) {
        CHECK(error.code == ErrorCode::model_invalid);
        message = error.what();
    }
    if (message.find("tensor " + tensor + " holds a number that is not finite") == std::string::npos) {
        check::fail(__FILE__, __LINE__, "expected a refusal of " + tensor + ", got \"" + message + "\"");
    }
}

void refuses_numbers_that_are_not_finite() {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    refused("v.patch_embd.weight", put(infinity, 1000));
    refused("v.patch_embd.weight.1", put(std::nanf(""), 0));
    refused("v.blk.0.ln1.weight", put(-infinity, 63));
    refused("mm.2.bias", put(std::nanf(""), 7));
    refused("v.blk.1.attn_k.weight", put(ggml_fp32_to_fp16(infinity), 0));  // the scale of its first block
}

void sums_the_patches_of_two_frames() {
    const size_t at = 3 * kPatchNumbers + 5;
    const auto   w  = [&](float first, float second) {
        const VisionWeights weights = loaded("v.patch_embd.weight", [&](std::string & bytes, size_t begin) {
            put(first, at)(bytes, begin);
            put(second, at)(bytes, begin + size_t{ kPatchNumbers } * gguf_model::kTowerWidth * sizeof(float));
        });
        return static_cast<const float *>(weights.patches()->data)[at];
    };
    CHECK_EQUAL(w(0.5f, 0.25f), 0.75f);
    CHECK_EQUAL(w(-1.0f, 3.0f), 2.0f);
}

void joins_q_k_and_v() {
    const VisionWeights  weights = loaded("v.blk.1.attn_v.bias", put(5.0f, 2));
    const VisionLinear & qkv     = weights.layer(1).attn_qkv;
    constexpr int64_t    n       = gguf_model::kTowerWidth;
    CHECK_EQUAL(qkv.weight.size(), 1U);
    CHECK_EQUAL(qkv.weight[0].tensor->ne[1], 3 * n);
    CHECK_EQUAL(static_cast<const float *>(qkv.bias->data)[2 * n + 2], 5.0f);
}

void stops_when_it_is_told_to() {
    const auto keep = [](std::string & /*bytes*/, size_t /*begin*/) {
    };
    float last = 0;
    loaded("mm.0.bias", keep, [&](float fraction) {
        CHECK(fraction >= last);
        last = fraction;
        return true;
    });
    CHECK_EQUAL(last, 1.0f);
    CHECK_ERROR(loaded("mm.0.bias", keep, [](float fraction) { return fraction < 0.5f; }), ErrorCode::cancelled);
}

}  // namespace

int main() {
    load_backends(JINA_RERANKER_LIBRARIES);
    return check::run({
        { "refuses numbers that are not finite", refuses_numbers_that_are_not_finite },
        { "sums the patches of two frames", sums_the_patches_of_two_frames },
        { "joins q, k and v", joins_q_k_and_v },
        { "stops when it is told to", stops_when_it_is_told_to },
    });
}
