#pragma once

// The model's shape, and its weights in the memory of the devices that multiply by them. Reads each tensor of a checked file
// once, into buffers of its own: nothing is mapped, so a file that is cut off meanwhile does not end the process.
// Immutable after the constructor; used from any thread.

#include "device-tensors.h"
#include "gguf-file.h"

#include <array>
#include <cstdint>
#include <functional>
#include <istream>
#include <string>
#include <vector>

namespace jina_reranker {

// Gets a fraction from 0 to 1; returning false stops the loading.
using LoadProgress = std::function<bool(float fraction)>;

struct ModelShape {
    int32_t                n_layer       = 0;
    int32_t                n_embd        = 0;
    int32_t                n_head        = 0;
    int32_t                n_head_kv     = 0;
    int32_t                n_ff          = 0;
    int32_t                n_vocab       = 0;
    float                  rms_epsilon   = 0;
    float                  rope_base     = 0;
    std::array<int32_t, 4> rope_sections = {};  // pairs of a head's dimensions that t, h, w and nothing turn

    int32_t head_size() const { return n_embd / n_head; }

    // Of K, and of V, of one token.
    int32_t n_embd_kv() const { return head_size() * n_head_kv; }
};

// Reads the shape of a file that check_gguf() found sound.
ModelShape shape_of(const GgufFile & file);

// Where each part of the model is computed.
struct LayerDevices {
    std::vector<ggml_backend_dev_t> layers;            // [n_layer]
    ggml_backend_dev_t              input  = nullptr;  // the embedding
    ggml_backend_dev_t              output = nullptr;  // the last norm and the score head
};

// The last n_gpu_layers on the GPU, the output counting as one more, as llama.cpp has it.
LayerDevices place_layers(int32_t n_layer, int32_t n_gpu_layers, ggml_backend_dev_t gpu, ggml_backend_dev_t cpu);

struct Matrix {
    ggml_tensor * tensor = nullptr;  // [n_in, n_out]
    bool          packed = false;    // as our kernels read it (weight-packing.h), else as in the file
};

// Of the same activations, their results one after the other: neighbours of the same type are one matrix.
using Matrices = std::vector<Matrix>;

// A matrix that is packed where it lies on a CPU that has products of ours for it, once its bytes are there: pack_matrices().
Matrix matrix_on(ggml_backend_dev_t device, ggml_tensor * tensor);
void   pack_matrices(const Matrices & matrices);

struct LayerWeights {
    ggml_tensor * attn_norm = nullptr;
    Matrices      attn_qkv;                 // q, k and v
    ggml_tensor * attn_qkv_bias = nullptr;  // nullptr = the file has none
    Matrices      attn_output;
    ggml_tensor * ffn_norm = nullptr;
    Matrices      ffn_gate_up;
    Matrices      ffn_down;
};

class Weights {
  public:
    // Throws out_of_memory, model_invalid when the file changed since it was checked, cancelled when progress said so.
    // Where memory is counted, no weight is read.
    Weights(const GgufFile &     file,
            const LayerDevices & devices,
            const LoadProgress & progress,
            Memory               memory = Memory::taken);

    const ModelShape & shape() const { return shape_; }

    const ggml_tensor * token_embd() const { return token_embd_; }

    const ggml_tensor * output_norm() const { return output_norm_; }

    const LayerWeights & layer(int32_t index) const { return layers_[static_cast<size_t>(index)]; }

    uint64_t n_bytes() const { return n_bytes_; }

    const std::vector<DeviceTensors> & groups() const { return groups_; }

  private:
    // A tensor of the file, and where it goes.
    struct Part {
        std::string   name;
        ggml_tensor * tensor = nullptr;
        size_t        offset = 0;
    };

    DeviceTensors & group_of(ggml_backend_dev_t device);
    ggml_tensor *   add(const GgufFile & file, const std::string & name, ggml_backend_dev_t device);
    Matrices        add(const GgufFile & file, const std::vector<std::string> & names, ggml_backend_dev_t device);
    ggml_tensor *   add_bias(const GgufFile & file, const std::string & prefix, ggml_backend_dev_t device);
    void            allocate(const std::string & path, Memory memory);
    void            read(const GgufFile & file, const LoadProgress & progress);
    void
    read(const GgufFile & file, const Part & part, std::istream & stream, const std::function<void(size_t)> & more);

    ModelShape                 shape_;
    std::vector<DeviceTensors> groups_;
    std::vector<Part>          parts_;
    std::vector<LayerWeights>  layers_;
    ggml_tensor *              token_embd_  = nullptr;
    ggml_tensor *              output_norm_ = nullptr;
    uint64_t                   n_bytes_     = 0;
};

}  // namespace jina_reranker
