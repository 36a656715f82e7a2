#include "forward.h"

#include "backend.h"
#include "batch-shape.h"
#include "device-memory.h"
#include "device-tensors.h"
#include "error.h"
#include "graph-failure.h"
#include "graph.h"
#include "kernels.h"
#include "log.h"
#include "tsan-fence.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <string>

namespace jina_reranker {

namespace {

// Shapes whose graphs a GPU may have recorded at a time.
constexpr size_t  kRecordedShapes = 8;
// Batches that a GPU tries out at load, each twice as large as the one before; and the time after which it begins no other:
// a device that takes as long for the first ones does not wait for kernels alone.
constexpr int32_t kTriedBatches   = 8;
constexpr int32_t kFewestTried    = 16;  // rows
constexpr auto    kTryingTime     = std::chrono::seconds(2);

template <typename Kernel>
std::optional<Kernel> fastest(const std::vector<Kernel> & kernels) {
    return kernels.empty() ? std::nullopt : std::optional(kernels.back());
}

// Whether a device looks tokens up in an embedding of this type.
bool has_get_rows(ggml_backend_dev_t device, const ggml_tensor & embedding) {
    const ggml_context_ptr context(ggml_init({ 4 * ggml_tensor_overhead(), nullptr, /*.no_alloc =*/true }));
    ggml_tensor *          rows = ggml_get_rows(context.get(), ggml_dup_tensor(context.get(), &embedding),
                                                ggml_new_tensor_1d(context.get(), GGML_TYPE_I32, 1));
    return ggml_backend_dev_supports_op(device, rows);
}

[[noreturn]] void fail_without_memory(const Batch & batch) {
    throw Error(ErrorCode::out_of_memory,
                "no memory to compute a batch of " + std::to_string(batch.n_rows()) + " tokens: lower BATCH_TOKENS");
}

// Where each row lies among those of all tokens and the embeddings behind them.
std::vector<int32_t> sources_of(const Batch & batch) {
    std::vector<int32_t> sources(static_cast<size_t>(batch.n_rows()));
    std::iota(sources.begin(), sources.end(), 0);
    int32_t next = batch.n_rows();
    for (const int32_t row : batch.embedded_rows()) {
        sources[static_cast<size_t>(row)] = next++;
    }
    return sources;
}

// Rows that are computed to score n_scored pairs; the head is ggml's product.
int32_t score_rows_of(int32_t n_scored, bool on_gpu) {
    const int32_t n_blocks = (n_scored + kGgmlRows - 1) / kGgmlRows;
    return on_gpu && n_scored > 0 ? padded_rows(n_scored) : n_blocks * kGgmlRows;
}

GraphMemory::Shape
shape_of(const Batch & batch, int32_t n_score_rows, const GroupedAttention & all, const GroupedAttention & scored) {
    GraphMemory::Shape shape = { batch.n_rows(), static_cast<int32_t>(batch.embedded_rows().size()), n_score_rows };
    for (const GroupedAttention * attention : { &all, &scored }) {
        const auto groups = attention->shape();
        shape.push_back(static_cast<int32_t>(groups.size()));
        for (const auto & group : groups) {
            shape.insert(shape.end(), group.begin(), group.end());
        }
    }
    return shape;
}

// All t, all h, all w, and zeros, as ggml's multimodal rope reads them.
std::vector<int32_t> columns(const std::vector<Position> & positions) {
    const size_t         n = positions.size();
    std::vector<int32_t> numbers(4 * n);
    for (size_t axis = 0; axis < positions.front().size(); ++axis) {
        for (size_t row = 0; row < n; ++row) {
            numbers[axis * n + row] = positions[row][axis];
        }
    }
    return numbers;
}

}  // namespace

Forward::Forward(const GgufFile &          file,
                 const HeadWeights &       head,
                 const ForwardOptions &    options,
                 const ThreadPool &        threads,
                 const std::atomic<bool> & abort,
                 const LoadProgress &      progress) :
    Forward(options, abort) {
    make(file, head, threads, progress, Memory::taken);
    try_out();
}

Forward::Forward(const ForwardOptions & options, const std::atomic<bool> & abort) :
    options_(options),
    abort_(abort),
    products_(fastest(matmul_kernels(cpu_features())), options.n_threads),
    attention_(attention_kernels(cpu_features()).back(), options.n_threads) {}

std::vector<DeviceMemory> Forward::count(const GgufFile & file, const ForwardOptions & options) {
    const ThreadPool        threads(1);
    const std::atomic<bool> abort(false);
    Forward                 forward(options, abort);
    forward.make(file, {}, threads, {}, Memory::counted);
    return forward.memory(forward.largest(forward.trials()).n_bytes);
}

// All but the memory to compute in.
void Forward::make(const GgufFile &     file,
                   const HeadWeights &  head,
                   const ThreadPool &   threads,
                   const LoadProgress & progress,
                   Memory               memory) {
    ggml_backend_dev_t cpu     = usable_devices(Backend::cpu).front();
    ggml_backend_dev_t gpu     = on_gpu() ? options_.gpu : cpu;
    const ModelShape   shape   = shape_of(file);
    LayerDevices       devices = place_layers(shape.n_layer, on_gpu() ? options_.n_gpu_layers : 0, gpu, cpu);
    if (!has_get_rows(devices.input, *ggml_get_tensor(file.tensors(), "token_embd.weight"))) {
        devices.input = cpu;
    }
    weights_  = std::make_unique<Weights>(file, devices, progress, memory);
    pages_    = std::make_unique<KvPages>(shape, devices, ggml_type_of(options_.kv_type), options_.n_pages, memory);
    head_     = std::make_unique<ScoreHead>(head, shape.n_embd, devices.output, memory);
    own_page_ = pages_->take().value();
    pad_      = need_padding();
    graph_memory_.emplace(max_nodes(shape.n_layer) * ggml_tensor_overhead() * 2 +
                              ggml_graph_overhead_custom(max_nodes(shape.n_layer), false),
                          on_gpu() ? kRecordedShapes : 1);
    make_scheduler(threads);
}

std::vector<DeviceMemory> Forward::memory() const {
    std::vector<size_t> computing;
    for (const ComputeBackend & backend : backends_) {
        computing.push_back(ggml_backend_sched_get_buffer_size(scheduler_.get(), backend.get()));
    }
    return memory(computing);
}

std::vector<DeviceMemory> Forward::memory(const std::vector<size_t> & computing) const {
    std::vector<DeviceMemory> all;
    for (size_t i = 0; i < backends_.size(); ++i) {
        memory_of(ggml_backend_get_device(backends_[i].get()), all).compute = computing[i];
    }
    for (const DeviceTensors & group : weights_->groups()) {
        memory_of(group.device, all).weights += group.n_bytes;
    }
    for (const DeviceTensors & group : pages_->groups()) {
        memory_of(group.device, all).pages += group.n_bytes;
    }
    memory_of(head_->tensors().device, all).weights += head_->tensors().n_bytes;
    return all;
}

int32_t Forward::n_padding(int32_t n_rows) const {
    if (on_gpu()) {
        return std::max(0, std::min(padded_rows(n_rows), options_.n_batch) - n_rows);
    }
    return pad_ ? (kGgmlRows - n_rows % kGgmlRows) % kGgmlRows : 0;
}

// ggml's products on the CPU give a row other bits when the number of rows is none of their blocks.
bool Forward::need_padding() const {
    for (int32_t i = 0; i < weights_->shape().n_layer; ++i) {
        const LayerWeights & layer = weights_->layer(i);
        for (const Matrices & matrices : { layer.attn_qkv, layer.attn_output, layer.ffn_gate_up, layer.ffn_down }) {
            if (!std::all_of(matrices.begin(), matrices.end(), [](const Matrix & matrix) { return matrix.packed; })) {
                return true;
            }
        }
    }
    return false;
}

void Forward::make_scheduler(const ThreadPool & threads) {
    ggml_backend_dev_t cpu = usable_devices(Backend::cpu).front();
    if (options_.gpu != nullptr) {
        backends_.push_back(compute_backend(options_.gpu, threads, options_.n_threads, abort_));
    }
    backends_.push_back(compute_backend(cpu, threads, options_.n_threads, abort_));
    std::vector<ggml_backend_t> backends;
    for (const ComputeBackend & backend : backends_) {
        backends.push_back(backend.get());
    }
    const BackendsInUse in_use = use_backends();
    scheduler_.reset(ggml_backend_sched_new(backends.data(), nullptr, static_cast<int>(backends.size()),
                                            max_nodes(weights_->shape().n_layer), /*parallel*/ false,
                                            /*op_offload*/ false));
}

// The graph of a batch, and what its nodes point to.
struct Forward::Pass {
    Pass(Forward & forward, const Batch & batch) :
        n_scored(static_cast<int32_t>(batch.score_rows().size())),
        n_score_rows(score_rows_of(n_scored, forward.on_gpu())),
        paged_all(AttentionRows::all(batch)),
        paged_scored(AttentionRows::scored(batch, n_score_rows - n_scored)),
        grouped_all(GroupedAttention::all(batch, pairs(forward))),
        grouped_scored(GroupedAttention::scored(batch, n_score_rows - n_scored, pairs(forward))),
        context(ggml_init({ forward.graph_memory_->n_bytes(),
                            forward.graph_memory_->of(shape_of(batch, n_score_rows, grouped_all, grouped_scored)),
                            /*.no_alloc =*/true })),
        graph(build_graph(context.get(),
                          { *forward.weights_, *forward.pages_, *forward.head_, forward.products_, forward.attention_ },
                          { batch.n_rows(),
                            static_cast<int32_t>(batch.embedded_rows().size()),
                            n_score_rows,
                            { paged_all, grouped_all },
                            { paged_scored, grouped_scored } })) {}

    static GroupedAttention::Pairs pairs(const Forward & forward) {
        return forward.on_gpu() ? GroupedAttention::Pairs::padded : GroupedAttention::Pairs::as_they_are;
    }

    int32_t          n_scored;
    int32_t          n_score_rows;
    AttentionRows    paged_all;
    AttentionRows    paged_scored;
    GroupedAttention grouped_all;
    GroupedAttention grouped_scored;
    ggml_context_ptr context;
    Graph            graph;
};

TrialBatches Forward::trials() const {
    TrialLimits limits;
    limits.n_batch   = options_.n_batch;
    limits.n_pairs   = options_.n_pairs;
    limits.n_context = options_.n_context;
    limits.n_cells   = on_gpu() ? options_.n_cells : 0;
    limits.n_embd    = options_.images ? weights_->shape().n_embd : 0;
    limits.page      = own_page_;
    return TrialBatches(limits);
}

// Takes the memory of the largest batch and computes small ones: what has no memory, or cannot be computed, fails the load and
// not each request.
void Forward::try_out() {
    const TrialBatches batches = trials();
    try {
        take_errors();
        reserve(batches);
        // On a GPU the end of the longest pair: what the driver needs beside our memory is largest there (ggml's Vulkan attention
        // splits few rows over many cells), and costs little.
        const auto start = std::chrono::steady_clock::now();
        run(batches.end_of_longest());
        if (on_gpu()) {
            warm_up(batches, start);
        }
    } catch (const Error & error) {
        if (error.code != ErrorCode::engine_error || abort_.load()) {
            throw;
        }
        throw Error(ErrorCode::model_invalid, std::string("the model cannot be computed: ") + error.what());
    }
}

// The first batch of a size takes CUDA 70 to 90 ms, in which it loads that size's kernels.
void Forward::warm_up(const TrialBatches & trials, std::chrono::steady_clock::time_point start) {
    int32_t n_rows = std::min(kFewestTried, options_.n_batch);
    for (int32_t n_tried = 1; n_tried <= kTriedBatches && !abort_.load(); ++n_tried) {
        if (std::chrono::steady_clock::now() - start > kTryingTime) {
            return;
        }
        run(trials.mixed(n_rows));
        if (n_rows == options_.n_batch) {
            return;
        }
        n_rows = n_tried + 1 == kTriedBatches ? options_.n_batch : std::min(2 * n_rows, options_.n_batch);
    }
}

Forward::Largest Forward::largest(const TrialBatches & trials) {
    Largest most;
    size_t  most_bytes = 0;
    for (Batch & batch : trials.largest()) {
        const Pass          pass(*this, batch);
        std::vector<size_t> sizes(backends_.size());
        ggml_backend_sched_reserve_size(scheduler_.get(), pass.graph.nodes, sizes.data());
        const size_t n_bytes = std::accumulate(sizes.begin(), sizes.end(), size_t{ 0 });
        if (n_bytes > most_bytes) {
            most_bytes = n_bytes;
            most       = { std::move(batch), sizes };
        }
    }
    return most;
}

// Takes the memory once: a buffer that grows later is freed while a driver may still refer to it (seen with Mesa 22's software
// device, which crashed).
void Forward::reserve(const TrialBatches & trials) {
    const Batch most = largest(trials).batch;
    const Pass  pass(*this, most);
    ggml_backend_sched_reset(scheduler_.get());
    if (!ggml_backend_sched_reserve(scheduler_.get(), pass.graph.nodes)) {
        fail_without_memory(most);
    }
}

// Writes what a batch says into the graph's inputs.
void Forward::fill(Pass & pass, const Batch & batch) {
    const GraphInputs & inputs = pass.graph.inputs;
    set(inputs.tokens, batch.tokens());
    set(inputs.positions, columns(batch.positions()));
    set(inputs.cells, batch.cells());
    if (inputs.embeddings != nullptr) {
        set(inputs.sources, sources_of(batch));
        set(inputs.embeddings, batch.embeddings());
    }
    if (pass.n_score_rows > 0) {
        std::vector<int32_t> rows = batch.score_rows();
        rows.resize(static_cast<size_t>(pass.n_score_rows), rows.back());
        std::vector<Position> positions;
        for (const int32_t row : rows) {
            positions.push_back(batch.positions()[static_cast<size_t>(row)]);
        }
        set(inputs.score_rows, rows);
        set(inputs.score_positions, columns(positions));
    }
    if (pass.graph.groups_all) {
        pass.grouped_all.fill();
    }
    if (pass.graph.groups_scored) {
        pass.grouped_scored.fill();
    }
}

std::vector<float> Forward::run(Batch batch) {
    using Clock = std::chrono::steady_clock;
    batch.pad(batch.n_rows() + n_padding(batch.n_rows()), own_page_);
    take_errors();
    const auto start = Clock::now();
    Pass       pass(*this, batch);
    ggml_backend_sched_reset(scheduler_.get());
    if (!ggml_backend_sched_alloc_graph(scheduler_.get(), pass.graph.nodes)) {
        fail_without_memory(batch);
    }
    const auto built = Clock::now();
    fill(pass, batch);
    const auto        filled = Clock::now();
    const ggml_status status = ggml_backend_sched_graph_compute(scheduler_.get(), pass.graph.nodes);
    const TsanFence   fence;
    require_success(status, "a batch");
    std::vector<float> logits(static_cast<size_t>(pass.n_score_rows));
    if (pass.n_score_rows > 0) {
        ggml_backend_tensor_get(pass.graph.logits, logits.data(), 0, logits.size() * sizeof(float));
    }
    logits.resize(static_cast<size_t>(pass.n_scored));
    for (float & logit : logits) {
        logit += head_->bias();
    }
    times_ = { built - start, filled - built, Clock::now() - filled };
    return logits;
}

}  // namespace jina_reranker
