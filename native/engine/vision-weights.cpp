#include "vision-weights.h"

#include "error.h"
#include "image-patches.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace jina_reranker {

namespace {

constexpr size_t kTensorsOfALayer = 16;
constexpr size_t kOtherTensors    = 8;
constexpr size_t kChunkBytes      = size_t{ 16 } << 20U;  // read at once, between two looks at whether to go on

const ggml_tensor & tensor_of(const GgufFile & file, const std::string & name) {
    return *ggml_get_tensor(file.tensors(), name.c_str());
}

// Calls take with a tensor's bytes, in pieces of whole blocks of its type.
void read_tensor(const GgufFile &                                                        file,
                 const std::string &                                                     name,
                 std::istream &                                                          stream,
                 const std::function<void(const char * bytes, size_t begin, size_t n)> & take) {
    const ggml_tensor & tensor  = tensor_of(file, name);
    const size_t        n_bytes = ggml_nbytes(&tensor);
    const size_t        n_block = ggml_type_size(tensor.type);
    const size_t        n_chunk = kChunkBytes / n_block * n_block;
    std::vector<char>   chunk(std::min(n_chunk, n_bytes));
    stream.seekg(static_cast<std::streamoff>(file.offset_of(name.c_str())));
    for (size_t begin = 0; begin < n_bytes; begin += n_chunk) {
        const size_t n = std::min(n_chunk, n_bytes - begin);
        if (!stream.read(chunk.data(), static_cast<std::streamsize>(n))) {
            file.fail("could not be read up to the end of tensor " + name);
        }
        if (!ggml_validate_row_data(tensor.type, chunk.data(), n)) {
            file.fail("tensor " + name + " holds a number that is not finite");
        }
        take(chunk.data(), begin, n);
    }
}

}  // namespace

VisionWeights::VisionWeights(const GgufFile &     file,
                             const VisionShape &  shape,
                             ggml_backend_dev_t   device,
                             const LoadProgress & progress,
                             Memory               memory) :
    shape_(shape),
    tensors_(no_tensors(device, kTensorsOfALayer * static_cast<size_t>(shape.n_layer) + kOtherTensors)) {
    patches_ = ggml_new_tensor_2d(tensors_.context.get(), GGML_TYPE_F32, kPatchNumbers, shape.n_embd);
    n_bytes_ += ggml_nbytes(patches_);
    for (int32_t i = 0; i < shape.n_layer; ++i) {
        const std::string prefix = "v.blk." + std::to_string(i) + ".";
        VisionLayer       layer;
        layer.attn_norm   = add_norm(prefix + "ln1");
        layer.attn_qkv    = add_linear(file, { prefix + "attn_q", prefix + "attn_k", prefix + "attn_v" });
        layer.attn_output = add_linear(file, { prefix + "attn_out" });
        layer.ffn_norm    = add_norm(prefix + "ln2");
        layer.ffn_up      = add_linear(file, { prefix + (shape.swapped ? "ffn_down" : "ffn_up") });
        layer.ffn_down    = add_linear(file, { prefix + (shape.swapped ? "ffn_up" : "ffn_down") });
        layers_.push_back(layer);
    }
    output_norm_ = add_norm("v.post_ln");
    merge_up_    = add_linear(file, { "mm.0" });
    merge_down_  = add_linear(file, { "mm.2" });
    allocate(file.path(), memory);
    if (memory == Memory::counted) {
        return;
    }
    read(file, progress);
    for (const VisionLayer & layer : layers_) {
        for (const VisionLinear & linear : { layer.attn_qkv, layer.attn_output, layer.ffn_up, layer.ffn_down }) {
            pack_matrices(linear.weight);
        }
    }
    pack_matrices(merge_up_.weight);
    pack_matrices(merge_down_.weight);
}

VisionNorm VisionWeights::add_norm(const std::string & name) {
    return { add_vector({ name + ".weight" }, shape_.n_embd), add_vector({ name + ".bias" }, shape_.n_embd) };
}

ggml_tensor * VisionWeights::add_vector(const Names & names, int64_t n_of_each) {
    ggml_tensor * tensor =
        ggml_new_tensor_1d(tensors_.context.get(), GGML_TYPE_F32, n_of_each * static_cast<int64_t>(names.size()));
    for (size_t i = 0; i < names.size(); ++i) {
        parts_.push_back({ names[i], tensor, i * static_cast<size_t>(n_of_each) * sizeof(float) });
    }
    n_bytes_ += ggml_nbytes(tensor);
    return tensor;
}

// Of the same inputs. Neighbours of the same type are one matrix.
VisionLinear VisionWeights::add_linear(const GgufFile & file, const Names & names) {
    VisionLinear linear;
    Names        biases;
    for (size_t begin = 0, end = 0; begin < names.size(); begin = end) {
        const ggml_tensor & first   = tensor_of(file, names[begin] + ".weight");
        const auto          is_like = [&](const std::string & name) {
            return tensor_of(file, name + ".weight").type == first.type;
        };
        while (end < names.size() && is_like(names[end])) {
            ++end;
        }
        ggml_tensor * joined = ggml_new_tensor_2d(tensors_.context.get(), first.type, first.ne[0],
                                                  first.ne[1] * static_cast<int64_t>(end - begin));
        for (size_t i = begin; i < end; ++i) {
            parts_.push_back({ names[i] + ".weight", joined, (i - begin) * ggml_nbytes(&first) });
            biases.push_back(names[i] + ".bias");
        }
        n_bytes_ += ggml_nbytes(joined);
        linear.weight.push_back(matrix_on(tensors_.device, joined));
    }
    linear.bias = add_vector(biases, tensor_of(file, biases.front()).ne[0]);
    return linear;
}

void VisionWeights::allocate(const std::string & path, Memory memory) {
    if (!jina_reranker::allocate(tensors_, memory, GGML_BACKEND_BUFFER_USAGE_WEIGHTS)) {
        throw Error(ErrorCode::out_of_memory, path + ": no memory on " + ggml_backend_dev_name(tensors_.device) +
                                                  " for its " + std::to_string(n_bytes_) +
                                                  " bytes: free some, or take a smaller quantization of it");
    }
}

void VisionWeights::read(const GgufFile & file, const LoadProgress & progress) {
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
    std::vector<float> sum(static_cast<size_t>(ggml_nelements(patches_)));
    for (const char * name : { "v.patch_embd.weight", "v.patch_embd.weight.1" }) {
        const ggml_type    type = tensor_of(file, name).type;
        std::vector<float> numbers;
        read_tensor(file, name, stream, [&](const char * bytes, size_t begin, size_t n) {
            const size_t count = n / ggml_type_size(type);
            const auto   first = begin / ggml_type_size(type);
            numbers.resize(count);
            if (const auto to_float = ggml_get_type_traits(type)->to_float; to_float != nullptr) {
                to_float(bytes, numbers.data(), static_cast<int64_t>(count));
            } else {
                std::copy(bytes, bytes + n, reinterpret_cast<char *>(numbers.data()));
            }
            std::transform(numbers.begin(), numbers.end(), sum.begin() + static_cast<std::ptrdiff_t>(first),
                           sum.begin() + static_cast<std::ptrdiff_t>(first), std::plus<>());
        });
    }
    ggml_backend_tensor_set(patches_, sum.data(), 0, ggml_nbytes(patches_));
    more(ggml_nbytes(patches_));
    for (const Part & part : parts_) {
        read_tensor(file, part.name, stream, [&](const char * bytes, size_t begin, size_t n) {
            ggml_backend_tensor_set(part.tensor, bytes, part.offset + begin, n);
            more(n);
        });
    }
}

}  // namespace jina_reranker
