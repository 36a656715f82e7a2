#include "vision.h"

#include "error.h"
#include "ggml-alloc.h"
#include "graph-failure.h"
#include "kernels.h"
#include "tsan-fence.h"

#include <algorithm>
#include <string>
#include <utility>

namespace jina_reranker {

namespace {

// Our kernels compute in a CPU's memory alone.
template <typename Kernel>
std::optional<Kernel> kernel_for(ggml_backend_t backend, const std::vector<Kernel> & kernels) {
    const bool on_cpu = ggml_backend_dev_type(ggml_backend_get_device(backend)) == GGML_BACKEND_DEVICE_TYPE_CPU;
    return on_cpu && !kernels.empty() ? std::optional(kernels.back()) : std::nullopt;
}

// All rows, all columns, and two more of which ggml's rotary embedding for vision reads nothing.
std::vector<int32_t> positions_of(const ImagePatches & patches) {
    std::vector<int32_t> positions = patches.rows;
    positions.insert(positions.end(), patches.columns.begin(), patches.columns.end());
    positions.resize(4 * patches.rows.size());
    return positions;
}

}  // namespace

// The graph of a slice, in memory that is only its description.
struct Vision::Pass {
    Pass(Vision & vision, const VisionSlice & slice, int32_t n_patches) :
        context(ggml_init({ vision.graph_memory_.size(), vision.graph_memory_.data(), /*.no_alloc =*/true })),
        graph(build_vision_graph(context.get(),
                                 { vision.weights_, vision.products_, vision.attention_, vision.hidden_ },
                                 slice,
                                 n_patches)) {}

    ggml_context_ptr context;
    VisionGraph      graph;
};

Vision::Vision(const VisionWeights & weights, ggml_backend_t backend, const VisionOptions & options) :
    weights_(weights),
    backend_(backend),
    options_(options),
    products_(kernel_for(backend, matmul_kernels(cpu_features())), options.n_threads),
    attention_(kernel_for(backend, attention_kernels(cpu_features())), options.n_threads) {
    const size_t n_nodes = max_vision_nodes(weights.shape().n_layer);
    graph_memory_.resize(n_nodes * ggml_tensor_overhead() * 2 + ggml_graph_overhead_custom(n_nodes, false));
    hidden_tensors_ = no_tensors(ggml_backend_get_device(backend), 1);
    hidden_         = ggml_new_tensor_2d(hidden_tensors_.context.get(), GGML_TYPE_F32, weights.shape().n_embd,
                                         int64_t{ options.max_tokens } * kTokenPatches);
    require_operations();
}

void Vision::require_operations() {
    const Pass pass = largest();
    for (int i = 0; i < ggml_graph_n_nodes(pass.graph.nodes); ++i) {
        const ggml_tensor * node = ggml_graph_node(pass.graph.nodes, i);
        if (!ggml_backend_supports_op(backend_, node)) {
            throw Error(ErrorCode::backend_unavailable, std::string("device ") + ggml_backend_name(backend_) +
                                                            " cannot compute the vision tower: it lacks " +
                                                            ggml_op_desc(node) +
                                                            "; choose another device or BACKEND=cpu");
        }
    }
}

// The graph of the largest image and of all layers, which is what any slice needs at most.
Vision::Pass Vision::largest() {
    return { *this, { 0, weights_.shape().n_layer }, options_.max_tokens * kTokenPatches };
}

// Takes the memory once; returns false where there is none.
bool Vision::reserve() {
    if (!allocate(hidden_tensors_, Memory::taken)) {
        return false;
    }
    allocator_.reset(ggml_gallocr_new(ggml_backend_get_default_buffer_type(backend_)));
    return ggml_gallocr_reserve(allocator_.get(), largest().graph.nodes);
}

uint64_t Vision::count() {
    allocate(hidden_tensors_, Memory::counted);
    const ggml_gallocr_ptr allocator(ggml_gallocr_new(ggml_backend_get_default_buffer_type(backend_)));
    size_t                 n_graph = 0;
    ggml_gallocr_reserve_n_size(allocator.get(), largest().graph.nodes, nullptr, nullptr, &n_graph);
    const uint64_t n_bytes = hidden_tensors_.n_bytes + n_graph;
    release();
    return n_bytes;
}

void Vision::begin(const Image & image) {
    cancel();
    ImagePatches patches = patches_of(image, weights_.shape());
    if (image.n_tokens() > options_.max_tokens) {
        throw Error(ErrorCode::invalid_argument, "an image of " + std::to_string(image.n_tokens()) +
                                                     " tokens, expected " + std::to_string(options_.max_tokens) +
                                                     " at most");
    }
    if (!allocator_ && !reserve()) {
        release();
        throw Error(ErrorCode::out_of_memory, std::string("no memory on ") + ggml_backend_name(backend_) +
                                                  " to look at an image of " + std::to_string(options_.max_tokens) +
                                                  " tokens");
    }
    patches_ = std::move(patches);
    n_done_  = 0;
}

bool Vision::step(int32_t n_layers) {
    const int32_t n_layer = weights_.shape().n_layer;
    if (!patches_ || n_done_ == n_layer || n_layers < 1) {
        throw Error(ErrorCode::invalid_argument, "no image whose layers are to be computed");
    }
    const VisionSlice slice = { n_done_, n_done_ + std::min(n_layers, n_layer - n_done_) };
    try {
        compute(slice);
    } catch (const Error &) {
        cancel();
        throw;
    }
    n_done_ = slice.last_layer;
    return n_done_ < n_layer;
}

void Vision::compute(const VisionSlice & slice) {
    take_errors();
    const Pass pass(*this, slice, patches_->n_patches());
    if (!ggml_gallocr_alloc_graph(allocator_.get(), pass.graph.nodes)) {
        throw Error(ErrorCode::out_of_memory, "no memory to look at an image of " +
                                                  std::to_string(patches_->n_patches() / kTokenPatches) + " tokens");
    }
    const auto positions = positions_of(*patches_);
    ggml_backend_tensor_set(pass.graph.positions, positions.data(), 0, ggml_nbytes(pass.graph.positions));
    if (pass.graph.patches != nullptr) {
        ggml_backend_tensor_set(pass.graph.patches, patches_->numbers.data(), 0, ggml_nbytes(pass.graph.patches));
    }
    const ggml_status status = ggml_backend_graph_compute(backend_, pass.graph.nodes);
    const TsanFence   fence;
    require_success(status, "an image");
    if (pass.graph.embeddings != nullptr) {
        embeddings_.resize(static_cast<size_t>(ggml_nelements(pass.graph.embeddings)));
        ggml_backend_tensor_get(pass.graph.embeddings, embeddings_.data(), 0, ggml_nbytes(pass.graph.embeddings));
    }
}

std::vector<float> Vision::take() {
    if (!patches_ || n_done_ < weights_.shape().n_layer) {
        throw Error(ErrorCode::invalid_argument, "no image whose layers are all computed");
    }
    cancel();
    return std::move(embeddings_);
}

void Vision::release() {
    cancel();
    allocator_.reset();
    hidden_tensors_.buffer.reset();
    hidden_->data   = nullptr;
    hidden_->buffer = nullptr;
}

uint64_t Vision::n_bytes() const {
    return allocator_ ? hidden_tensors_.n_bytes + ggml_gallocr_get_buffer_size(allocator_.get(), 0) : 0;
}

}  // namespace jina_reranker
