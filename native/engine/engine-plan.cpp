#include "engine-plan.h"

#include "batch-shape.h"
#include "error.h"
#include "threads.h"

#include <algorithm>
#include <string>

namespace jina_reranker {

namespace {

constexpr int32_t kBatchTokensCpu  = 512;
constexpr int32_t kBatchTokensGpu  = 2048;
constexpr int32_t kShortestPrompt  = 16;                  // tokens; the headings alone are 9
constexpr int32_t kMostPairs       = 128;                 // of a batch
constexpr size_t  kMostCachedPages = size_t{ 1 } << 26U;  // cells are counted in 32 bits
constexpr int32_t kOwnPages        = 1;                   // Forward's
// Gathered by a batch beside those of the longest pair where ggml computes attention: some 200 MB with this model's K and V.
constexpr int32_t kGatheredCells   = 65536;
// An image's step costs at most the work of so small a part of a batch, where a layer does not cost more: a request that comes
// meanwhile waits for its end.
constexpr int32_t kStepsPerBatch   = 8;
// A strip as long as images may be is as high as a token, whatever the limit: its sides differ 200 times.
constexpr int32_t kLongestStrip    = 200;  // tokens

// For the document cache: what was asked for, on a GPU at most half of what the weights leave.
size_t cache_bytes(size_t n_wanted, const Placement & placement, size_t n_weights) {
    if (!placement.on_gpu()) {
        return n_wanted;
    }
    size_t n_free  = 0;
    size_t n_total = 0;
    ggml_backend_dev_memory(placement.device, &n_free, &n_total);
    return std::min(n_wanted, (n_free > n_weights ? n_free - n_weights : 0) / 2);
}

}  // namespace

EnginePlan plan_engine(const EngineOptions & options,
                       const Placement &     placement,
                       const GgufFile &      model,
                       const GgufFile *      tower) {
    const bool on_gpu = placement.on_gpu();
    // Our kernels are exact and there is no other way with them; ggml's attention, which GPUs take, is not.
    if (on_gpu && options.reproducible == Reproducible::exact) {
        throw Error(ErrorCode::invalid_argument,
                    "reproducible: \"exact\" is not possible on " +
                        std::string(ggml_backend_dev_name(placement.device)) +
                        ", whose kernels sum in an order that depends on the batch; take \"fast\", or the CPU");
    }
    EnginePlan plan;
    plan.placement      = placement;
    plan.n_context      = options.context_size;
    plan.n_batch        = options.batch_tokens > 0 ? options.batch_tokens : on_gpu ? kBatchTokensGpu : kBatchTokensCpu;
    plan.n_threads      = options.n_threads > 0 ? options.n_threads : default_thread_count();
    plan.n_pairs        = std::clamp(plan.n_batch / kShortestPrompt, 1, kMostPairs);
    plan.n_cells        = on_gpu ? padded_cells(plan.n_context) + kGatheredCells : INT32_MAX;
    plan.kv_type        = options.kv_type;
    plan.n_image_tokens = tower != nullptr ? std::max(options.vision.max_tokens, kLongestStrip) : 0;
    plan.page_bytes     = KvPages::page_bytes(shape_of(model), ggml_type_of(plan.kv_type));
    const size_t n_weights = model.tensor_bytes() + (tower != nullptr ? tower->tensor_bytes() : 0);
    const size_t n_cache   = cache_bytes(options.document_cache_bytes, placement, n_weights);
    const auto   n_cached  = static_cast<int32_t>(std::min(n_cache / plan.page_bytes, kMostCachedPages));
    // The longest pair, partly computed, and a batch of others, each of which may leave most of a page empty.
    plan.n_batch_pages     = pages_of(plan.n_context) + pages_of(plan.n_batch) + plan.n_pairs;
    const int32_t n_others = plan.n_batch_pages + kOwnPages;
    const int32_t n_taken =
        KvPages::most_pages(shape_of(model), placement.device, ggml_type_of(plan.kv_type), n_others + n_cached);
    plan.n_cached_pages = std::max(0, n_taken - n_others);
    return plan;
}

ForwardOptions EnginePlan::forward() const {
    ForwardOptions forward;
    forward.gpu          = placement.on_gpu() ? placement.device : nullptr;
    forward.n_gpu_layers = placement.n_gpu_layers;
    forward.n_threads    = n_threads;
    forward.n_batch      = n_batch;
    forward.n_pairs      = n_pairs;
    forward.n_context    = n_context;
    forward.n_pages      = n_batch_pages + n_cached_pages + kOwnPages;
    forward.n_cells      = n_cells;
    forward.kv_type      = kv_type;
    forward.images       = n_image_tokens > 0;
    return forward;
}

EncoderOptions EnginePlan::encoder(VisionLimits limits) const {
    limits.max_tokens = n_image_tokens;
    return { placement.device, n_threads, limits, 0, static_cast<double>(n_batch) / kStepsPerBatch };
}

}  // namespace jina_reranker
