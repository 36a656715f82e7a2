#pragma once

// The vision tower's weights in the memory of the device that multiplies by them. Reads each tensor of a checked file once and
// refuses numbers that are not finite. Immutable after the constructor; used from any thread.

#include "device-tensors.h"
#include "gguf-file.h"
#include "mmproj-check.h"
#include "weights.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace jina_reranker {

struct VisionNorm {
    ggml_tensor * weight = nullptr;
    ggml_tensor * bias   = nullptr;
};

struct VisionLinear {
    Matrices      weight;
    ggml_tensor * bias = nullptr;
};

struct VisionLayer {
    VisionNorm   attn_norm;
    VisionLinear attn_qkv;  // q, k and v, one after the other
    VisionLinear attn_output;
    VisionNorm   ffn_norm;
    VisionLinear ffn_up;
    VisionLinear ffn_down;
};

class VisionWeights {
  public:
    // Throws out_of_memory, model_invalid for a number that is not finite or when the file changed since it was checked, cancelled
    // when progress said so. Where memory is counted, no weight is read.
    VisionWeights(const GgufFile &     file,
                  const VisionShape &  shape,
                  ggml_backend_dev_t   device,
                  const LoadProgress & progress,
                  Memory               memory = Memory::taken);

    const VisionShape & shape() const { return shape_; }

    // f32 [kPatchNumbers, n_embd]: the sum of the two frames' convolutions, since those of a still are equal.
    ggml_tensor * patches() const { return patches_; }

    const VisionLayer & layer(int32_t index) const { return layers_[static_cast<size_t>(index)]; }

    const VisionNorm & output_norm() const { return output_norm_; }

    // Of the four patches of a token, and of what follows.
    const VisionLinear & merge_up() const { return merge_up_; }

    const VisionLinear & merge_down() const { return merge_down_; }

    const DeviceTensors & tensors() const { return tensors_; }

  private:
    using Names = std::vector<std::string>;

    // A tensor of the file, and where it goes.
    struct Part {
        std::string   name;
        ggml_tensor * tensor = nullptr;
        size_t        offset = 0;
    };

    VisionNorm    add_norm(const std::string & name);
    VisionLinear  add_linear(const GgufFile & file, const Names & names);
    ggml_tensor * add_vector(const Names & names, int64_t n_of_each);
    void          allocate(const std::string & path, Memory memory);
    void          read(const GgufFile & file, const LoadProgress & progress);

    VisionShape              shape_;
    DeviceTensors            tensors_;
    std::vector<Part>        parts_;
    std::vector<VisionLayer> layers_;
    ggml_tensor *            patches_ = nullptr;
    VisionNorm               output_norm_;
    VisionLinear             merge_up_;
    VisionLinear             merge_down_;
    uint64_t                 n_bytes_ = 0;
};

}  // namespace jina_reranker
