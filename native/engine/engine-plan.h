#pragma once

// What an engine's options come to with a model on a device: what "automatic" and 0 stand for, the sizes of batches, and the
// pages of KV state. Loading and estimate() both go by it. Pure but for the memory that a GPU has free. Any thread.

#include "forward.h"
#include "gguf-file.h"
#include "image-encoder.h"
#include "placement.h"
#include "types.h"

#include <cstdint>

namespace jina_reranker {

struct EnginePlan {
    Placement placement      = {};
    int32_t   n_threads      = 1;
    int32_t   n_batch        = 0;          // rows of the largest batch
    int32_t   n_pairs        = 0;          // of a batch
    int32_t   n_context      = 0;          // tokens of a pair
    int32_t   n_cells        = INT32_MAX;  // of a batch, padded; our attention reads the pages as they are
    size_t    page_bytes     = 0;
    int32_t   n_batch_pages  = 0;
    int32_t   n_cached_pages = 0;
    int32_t   n_image_tokens = 0;  // of the largest image, 0 without a tower
    KvType    kv_type        = KvType::f16;

    ForwardOptions forward() const;
    EncoderOptions encoder(VisionLimits limits) const;
};

// tower: nullptr = none. Throws invalid_argument for exact scores on a GPU, model_invalid as KvPages::page_bytes().
EnginePlan
plan_engine(const EngineOptions & options, const Placement & placement, const GgufFile & model, const GgufFile * tower);

}  // namespace jina_reranker
