#pragma once

// The vision tower: an image goes in, its embeddings come out, a few layers at a time so that other work is not held up. Owns the
// memory to compute in, on the device of the backend that it is given. An image's embeddings do not depend on what was computed
// before it. Engine thread only.

#include "device-tensors.h"
#include "full-attention.h"
#include "ggml-cpp.h"
#include "image-patches.h"
#include "products.h"
#include "vision-graph.h"
#include "vision-weights.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace jina_reranker {

struct VisionOptions {
    int32_t n_threads  = 1;    // that the backend computes with, if it is a CPU's
    int32_t max_tokens = 768;  // of the largest image
};

class Vision {
  public:
    // Weights and backend must stay; the weights lie on the backend's device. Throws backend_unavailable when the device cannot
    // compute the tower.
    Vision(const VisionWeights & weights, ggml_backend_t backend, const VisionOptions & options);

    // Another image, instead of what was not finished. The first one takes the memory of the largest. Throws invalid_argument for
    // an image of other sides than patches_of() takes or of more than max_tokens, out_of_memory.
    void begin(const Image & image);

    // Computes the next n_layers of the image that was begun; the patches' product is part of the first step, the merger of the
    // last. Returns whether more are left. Throws engine_error or out_of_memory; then the image is dropped.
    bool step(int32_t n_layers);

    // f32, row-major [n_tokens][n_out], in raster order; once, after the last step.
    std::vector<float> take();

    // Drops the image.
    void cancel() { patches_.reset(); }

    // Drops the image and gives the memory back until the next one.
    void release();

    // That it holds now, beside the weights.
    uint64_t n_bytes() const;

    // That it holds from the first image on. Before that.
    uint64_t count();

  private:
    struct Pass;

    void require_operations();
    Pass largest();
    bool reserve();
    void compute(const VisionSlice & slice);

    const VisionWeights &       weights_;
    ggml_backend_t              backend_;
    VisionOptions               options_;
    Products                    products_;
    FullAttention               attention_;
    std::vector<uint8_t>        graph_memory_;
    DeviceTensors               hidden_tensors_;
    ggml_tensor *               hidden_ = nullptr;  // f32 [n_embd, patches of the largest image]
    ggml_gallocr_ptr            allocator_;
    std::optional<ImagePatches> patches_;     // of the image that was begun
    int32_t                     n_done_ = 0;  // of its layers
    std::vector<float>          embeddings_;
};

}  // namespace jina_reranker
