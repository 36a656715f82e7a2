#pragma once

// Turns images into embeddings, step by step, and keeps those of recent ones. Owns the vision tower and what computes it. Engine
// thread only, but for the constructor and what reads the tower's shape.

#include "compute-backend.h"
#include "cpu-features.h"
#include "image-rows.h"
#include "lru-cache.h"
#include "types.h"
#include "vision.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace jina_reranker {

struct EncoderOptions {
    ggml_backend_dev_t device    = nullptr;
    int32_t            n_threads = 1;
    VisionLimits       limits;
    double             work_per_token = 0;  // of an image
    double             work_per_step  = 0;  // at most, where that is a layer or more
};

// What a multiplication of the tower costs, where one of the language model's costs 1.
struct VisionCosts {
    double product   = 1;
    double attention = 1;
};

// type: of the tower's matrices.
VisionCosts vision_costs(bool on_gpu, const CpuFeatures & features, ggml_type type);

// What encoding costs for each token of an image, as TokenWork counts: of the largest, whose patches have most others to attend to.
// n_layer_params: of the language model, whose product with a token is 1.
double
image_work_per_token(const VisionShape & shape, int32_t max_tokens, const VisionCosts & costs, double n_layer_params);

class ImageEncoder {
  public:
    // Throws as VisionWeights and Vision do; encodes a small image, so that what has no memory, or cannot be computed, fails the load.
    // The threads and `abort` must stay.
    ImageEncoder(const GgufFile &          file,
                 const VisionShape &       shape,
                 const EncoderOptions &    options,
                 const ThreadPool &        threads,
                 const std::atomic<bool> & abort,
                 const LoadProgress &      progress);

    // What that takes of the device's memory, in bytes; takes nothing and reads no weights. Throws as it.
    static uint64_t count(const GgufFile & file, const VisionShape & shape, const EncoderOptions & options);

    // What it took, in bytes.
    uint64_t memory_bytes() const { return weights_.tensors().n_bytes + vision_.n_bytes(); }

    // Of an image that was encoded and is kept, or is still held by a pair; nullptr = it has to be encoded.
    EmbeddingsPtr find(int32_t image);

    // Steps that an image takes, and what each of them costs.
    int32_t n_steps(const Image & image) const;
    double  work_per_step(const Image & image) const;

    // The next step of the image, or the first one when the last step was another's. Returns its embeddings after the last step.
    // Throws as Vision; then the image begins anew.
    EmbeddingsPtr step(const RequestImage & image);

    size_t n_bytes() const { return known_.n_bytes(); }

    size_t n_entries() const { return known_.n_entries(); }

  private:
    int32_t layers_per_step(const Image & image) const;

    EncoderOptions                   options_;
    ComputeBackend                   backend_;
    VisionWeights                    weights_;
    Vision                           vision_;
    int32_t                          current_ = 0;  // the image whose steps are done in part; 0 = none
    LruCache<int32_t, EmbeddingsPtr> known_;
    std::map<int32_t, std::weak_ptr<const Embeddings>> held_;
};

}  // namespace jina_reranker
