#include "image-encoder.h"

#include "kernels.h"

#include <algorithm>
#include <utility>

namespace jina_reranker {

// Measured with AVX2 against Q4_K, each in its largest shapes: Q8_0 2.3 times, F16 2.6, attention 3.4. VNNI multiplies Q8_0 as
// fast as Q4_K. GPUs compute all of it in F16.
VisionCosts vision_costs(bool on_gpu, const CpuFeatures & features, ggml_type type) {
    if (on_gpu || matmul_kernels(features).empty()) {
        return {};
    }
    const bool has_vnni = features.avx_vnni || features.avx512_vnni;
    return { type == GGML_TYPE_Q8_0 && has_vnni ? 1.0 : 2.5, 3.5 };
}

double
image_work_per_token(const VisionShape & shape, int32_t max_tokens, const VisionCosts & costs, double n_layer_params) {
    const double n_embd    = shape.n_embd;
    const double n_merged  = shape.n_merged();
    const double n_patches = double{ kTokenPatches } * max_tokens;
    const double layer     = n_embd * (4 * n_embd + 2.0 * shape.n_ff);
    const double attention = 2 * n_embd * n_patches;  // every patch's key and value
    const double merger    = n_merged * (n_merged + shape.n_out);
    const double products  = kTokenPatches * shape.n_layer * layer + merger;
    return (costs.product * products + costs.attention * kTokenPatches * shape.n_layer * attention) / n_layer_params;
}

ImageEncoder::ImageEncoder(const GgufFile &          file,
                           const VisionShape &       shape,
                           const EncoderOptions &    options,
                           const ThreadPool &        threads,
                           const std::atomic<bool> & abort,
                           const LoadProgress &      progress) :
    options_(options),
    backend_(compute_backend(options.device, threads, options.n_threads, abort)),
    weights_(file, shape, options.device, progress),
    vision_(weights_, backend_.get(), { options.n_threads, options.limits.max_tokens }),
    known_(options.limits.cache_bytes) {
    Image image;
    image.width  = kTokenPixels;
    image.height = kTokenPixels;
    image.rgb.resize(size_t{ 3 } * kTokenPixels * kTokenPixels);
    vision_.begin(image);
    vision_.step(shape.n_layer);
    vision_.cancel();
}

uint64_t ImageEncoder::count(const GgufFile & file, const VisionShape & shape, const EncoderOptions & options) {
    const ThreadPool        threads(1);
    const std::atomic<bool> abort(false);
    const ComputeBackend    backend = compute_backend(options.device, threads, options.n_threads, abort);
    const VisionWeights     weights(file, shape, options.device, {}, Memory::counted);
    return weights.tensors().n_bytes +
           Vision(weights, backend.get(), { options.n_threads, options.limits.max_tokens }).count();
}

EmbeddingsPtr ImageEncoder::find(int32_t image) {
    const auto held = held_.find(image);
    if (auto known = known_.find(static_cast<uint64_t>(image), image)) {
        return *known;
    }
    return held == held_.end() ? nullptr : held->second.lock();
}

int32_t ImageEncoder::layers_per_step(const Image & image) const {
    const int32_t n_layer   = weights_.shape().n_layer;
    const double  per_layer = options_.work_per_token * image.n_tokens() / n_layer;
    return std::clamp(static_cast<int32_t>(options_.work_per_step / per_layer), 1, n_layer);
}

int32_t ImageEncoder::n_steps(const Image & image) const {
    const int32_t n_layers = layers_per_step(image);
    return (weights_.shape().n_layer + n_layers - 1) / n_layers;
}

double ImageEncoder::work_per_step(const Image & image) const {
    return options_.work_per_token * image.n_tokens() / n_steps(image);
}

EmbeddingsPtr ImageEncoder::step(const RequestImage & image) {
    const int32_t before = std::exchange(current_, 0);
    if (before != image.token) {
        vision_.begin(*image.image);
    }
    if (vision_.step(layers_per_step(*image.image))) {
        current_ = image.token;
        return nullptr;
    }
    const std::vector<float> numbers    = vision_.take();
    auto                     embeddings = std::make_shared<Embeddings>();
    embeddings->n_embd                  = weights_.shape().n_out;
    embeddings->numbers.resize(numbers.size());
    ggml_fp32_to_fp16_row(numbers.data(), embeddings->numbers.data(), static_cast<int64_t>(numbers.size()));
    known_.insert(static_cast<uint64_t>(image.token), image.token, embeddings, embeddings->n_bytes());
    for (auto held = held_.begin(); held != held_.end();) {
        held = held->second.expired() ? held_.erase(held) : std::next(held);
    }
    held_[image.token] = embeddings;
    return embeddings;
}

}  // namespace jina_reranker
