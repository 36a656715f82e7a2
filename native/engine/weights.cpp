#include "weights.h"

#include "error.h"
#include "kernels.h"
#include "weight-packing.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

namespace jina_reranker {

namespace {

constexpr size_t kTensorsOfALayer = 12;
constexpr size_t kChunkBytes      = size_t{ 16 } << 20U;  // read at once, between two looks at whether to go on

}  // namespace

ModelShape shape_of(const GgufFile & file) {
    const auto key = [&](const char * name) {
        return file.string("general.architecture") + "." + name;
    };
    ModelShape shape;
    shape.n_layer     = static_cast<int32_t>(file.u32(key("block_count")));
    shape.n_embd      = static_cast<int32_t>(file.u32(key("embedding_length")));
    shape.n_head      = static_cast<int32_t>(file.u32(key("attention.head_count")));
    shape.n_head_kv   = file.has(key("attention.head_count_kv")) ?
                            static_cast<int32_t>(file.u32(key("attention.head_count_kv"))) :
                            shape.n_head;
    shape.n_ff        = static_cast<int32_t>(file.u32(key("feed_forward_length")));
    shape.rms_epsilon = file.f32(key("attention.layer_norm_rms_epsilon"));
    shape.rope_base   = file.has(key("rope.freq_base")) ? file.f32(key("rope.freq_base")) : 10000.0f;

    const int64_t id       = file.list(key("rope.dimension_sections"), GGUF_TYPE_INT32);
    const auto *  sections = static_cast<const int32_t *>(gguf_get_arr_data(file.metadata(), id));
    std::copy(sections, sections + gguf_get_arr_n(file.metadata(), id), shape.rope_sections.begin());
    shape.n_vocab = static_cast<int32_t>(ggml_get_tensor(file.tensors(), "token_embd.weight")->ne[1]);
    return shape;
}

LayerDevices place_layers(int32_t n_layer, int32_t n_gpu_layers, ggml_backend_dev_t gpu, ggml_backend_dev_t cpu) {
    LayerDevices devices;
    for (int32_t layer = 0; layer < n_layer; ++layer) {
        devices.layers.push_back(layer + n_gpu_layers > n_layer ? gpu : cpu);
    }
    devices.input  = devices.layers.front();
    devices.output = n_gpu_layers > 0 ? gpu : cpu;
    return devices;
}

Matrix matrix_on(ggml_backend_dev_t device, ggml_tensor * tensor) {
    const bool on_cpu = ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU;
    return { tensor, on_cpu && is_packed_for(cpu_features(), *tensor) };
}

void pack_matrices(const Matrices & matrices) {
    for (const Matrix & matrix : matrices) {
        if (matrix.packed) {
            pack(*matrix.tensor);
        }
    }
}

Weights::Weights(const GgufFile & file, const LayerDevices & devices, const LoadProgress & progress, Memory memory) :
    shape_(shape_of(file)) {
    token_embd_ = add(file, "token_embd.weight", devices.input);
    for (size_t i = 0; i < devices.layers.size(); ++i) {
        const std::string        prefix = "blk." + std::to_string(i) + ".";
        const ggml_backend_dev_t device = devices.layers[i];
        LayerWeights             layer;
        layer.attn_norm = add(file, prefix + "attn_norm.weight", device);
        layer.attn_qkv =
            add(file, { prefix + "attn_q.weight", prefix + "attn_k.weight", prefix + "attn_v.weight" }, device);
        layer.attn_qkv_bias = add_bias(file, prefix, device);
        layer.attn_output   = add(file, std::vector{ prefix + "attn_output.weight" }, device);
        layer.ffn_norm      = add(file, prefix + "ffn_norm.weight", device);
        layer.ffn_gate_up   = add(file, { prefix + "ffn_gate.weight", prefix + "ffn_up.weight" }, device);
        layer.ffn_down      = add(file, std::vector{ prefix + "ffn_down.weight" }, device);
        layers_.push_back(layer);
    }
    output_norm_ = add(file, "output_norm.weight", devices.output);
    allocate(file.path(), memory);
    if (memory == Memory::counted) {
        return;
    }
    read(file, progress);
    for (const LayerWeights & layer : layers_) {
        for (const Matrices & matrices : { layer.attn_qkv, layer.attn_output, layer.ffn_gate_up, layer.ffn_down }) {
            pack_matrices(matrices);
        }
    }
}

DeviceTensors & Weights::group_of(ggml_backend_dev_t device) {
    return tensors_on(device, groups_, kTensorsOfALayer * static_cast<size_t>(shape_.n_layer) + 2);
}

ggml_tensor * Weights::add(const GgufFile & file, const std::string & name, ggml_backend_dev_t device) {
    ggml_tensor * tensor =
        ggml_dup_tensor(group_of(device).context.get(), ggml_get_tensor(file.tensors(), name.c_str()));
    parts_.push_back({ name, tensor, 0 });
    n_bytes_ += ggml_nbytes(tensor);
    return tensor;
}

Matrices Weights::add(const GgufFile & file, const std::vector<std::string> & names, ggml_backend_dev_t device) {
    Matrices matrices;
    for (size_t begin = 0; begin < names.size();) {
        const ggml_tensor * first = ggml_get_tensor(file.tensors(), names[begin].c_str());
        int64_t             n_out = 0;
        size_t              end   = begin;
        for (; end < names.size(); ++end) {
            const ggml_tensor * next = ggml_get_tensor(file.tensors(), names[end].c_str());
            if (next->type != first->type) {
                break;
            }
            n_out += next->ne[1];
        }
        ggml_tensor * joined = ggml_new_tensor_2d(group_of(device).context.get(), first->type, first->ne[0], n_out);
        size_t        offset = 0;
        for (; begin < end; ++begin) {
            parts_.push_back({ names[begin], joined, offset });
            offset += ggml_nbytes(ggml_get_tensor(file.tensors(), names[begin].c_str()));
        }
        n_bytes_ += ggml_nbytes(joined);
        matrices.push_back(matrix_on(device, joined));
    }
    return matrices;
}

// Of q, k and v, one after the other: zeros where the file has none.
ggml_tensor * Weights::add_bias(const GgufFile & file, const std::string & prefix, ggml_backend_dev_t device) {
    ggml_tensor * joined = nullptr;
    size_t        offset = 0;
    for (const auto & [name, n] :
         { std::pair{ "attn_q.bias", shape_.n_embd }, std::pair{ "attn_k.bias", shape_.n_embd_kv() },
           std::pair{ "attn_v.bias", shape_.n_embd_kv() } }) {
        if (ggml_get_tensor(file.tensors(), (prefix + name).c_str()) != nullptr) {
            if (joined == nullptr) {
                joined = ggml_new_tensor_1d(group_of(device).context.get(), GGML_TYPE_F32,
                                            shape_.n_embd + 2 * shape_.n_embd_kv());
                n_bytes_ += ggml_nbytes(joined);
            }
            parts_.push_back({ prefix + name, joined, offset });
        }
        offset += static_cast<size_t>(n) * sizeof(float);
    }
    return joined;
}

void Weights::allocate(const std::string & path, Memory memory) {
    for (DeviceTensors & group : groups_) {
        if (!jina_reranker::allocate(group, memory, GGML_BACKEND_BUFFER_USAGE_WEIGHTS)) {
            throw Error(ErrorCode::out_of_memory,
                        path + ": no memory on " + ggml_backend_dev_name(group.device) + " for its " +
                            std::to_string(n_bytes_) +
                            " bytes: free some, take a smaller quantization (PRECISION), or leave layers on the CPU "
                            "(N_GPU_LAYERS)");
        }
    }
}

void Weights::read(const GgufFile & file, const LoadProgress & progress) {
    std::ifstream stream(std::filesystem::u8path(file.path()), std::ios::binary);
    uint64_t      n_read = 0;
    const auto    more   = [&](size_t n_bytes) {
        n_read += n_bytes;
        const float fraction = static_cast<float>(n_read) / static_cast<float>(n_bytes_);
        if (progress && !progress(std::min(fraction, 1.0f))) {
            throw Error(ErrorCode::cancelled, "loading was stopped");
        }
    };
    more(0);
    for (const LayerWeights & layer : layers_) {
        if (layer.attn_qkv_bias != nullptr) {
            ggml_backend_tensor_memset(layer.attn_qkv_bias, 0, 0, ggml_nbytes(layer.attn_qkv_bias));
        }
    }
    for (const Part & part : parts_) {
        read(file, part, stream, more);
    }
}

void Weights::read(const GgufFile &                    file,
                   const Part &                        part,
                   std::istream &                      stream,
                   const std::function<void(size_t)> & more) {
    const bool        host    = ggml_backend_buffer_is_host(part.tensor->buffer);
    const size_t      n_bytes = ggml_nbytes(ggml_get_tensor(file.tensors(), part.name.c_str()));
    std::vector<char> chunk(host ? 0 : std::min(kChunkBytes, n_bytes));
    stream.seekg(static_cast<std::streamoff>(file.offset_of(part.name.c_str())));
    for (size_t begin = 0; begin < n_bytes; begin += kChunkBytes) {
        const size_t n  = std::min(kChunkBytes, n_bytes - begin);
        const size_t at = part.offset + begin;
        if (!stream.read(host ? static_cast<char *>(part.tensor->data) + at : chunk.data(),
                         static_cast<std::streamsize>(n))) {
            file.fail("could not be read up to the end of tensor " + part.name);
        }
        if (!host) {
            ggml_backend_tensor_set(part.tensor, chunk.data(), at, n);
        }
        more(n);
    }
}

}  // namespace jina_reranker
