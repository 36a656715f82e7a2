#pragma once

// The model's forward pass: a packed batch goes in, logits come out. Owns weights, pages of KV state, score head and the
// devices that compute them. What it takes and gives knows nothing of ggml, so that another way to compute can take its place.
// Engine thread only, but for the constructor.

#include "batch.h"
#include "compute-backend.h"
#include "ggml-cpp.h"
#include "gguf-file.h"
#include "graph-memory.h"
#include "kv-pages.h"
#include "paged-attention.h"
#include "products.h"
#include "score-head.h"
#include "threads.h"
#include "trial-batches.h"
#include "types.h"
#include "weights.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace jina_reranker {

struct ForwardOptions {
    ggml_backend_dev_t gpu          = nullptr;  // nullptr = none
    int32_t            n_gpu_layers = 0;
    int32_t            n_threads    = 1;
    int32_t            n_batch      = 512;        // rows of the largest batch
    int32_t            n_pairs      = 32;         // pairs of the largest batch
    int32_t            n_context    = 512;        // tokens of the longest pair
    int32_t            n_pages      = 0;          // of KV state; one of them is the forward pass's own
    int32_t            n_cells      = INT32_MAX;  // padded_cells() of the largest batch where ggml computes attention
    KvType             kv_type      = KvType::f16;
    bool               images       = false;  // whether rows may be embeddings: memory for them is taken at the start
};

// Where the time of a run goes.
struct RunTimes {
    std::chrono::steady_clock::duration build{};    // of the graph, on the host
    std::chrono::steady_clock::duration fill{};     // of its inputs, which are copied to the device
    std::chrono::steady_clock::duration compute{};  // until the logits are back
};

class Forward {
  public:
    // Throws as Weights, KvPages and ScoreHead do; model_invalid when a device cannot compute the model. The threads and
    // `abort` must stay; a run on the CPU ends soon after `abort` is set.
    Forward(const GgufFile &          file,
            const HeadWeights &       head,
            const ForwardOptions &    options,
            const ThreadPool &        threads,
            const std::atomic<bool> & abort,
            const LoadProgress &      progress);

    // What that takes of each device's memory, that of the GPU first; takes nothing and reads no weights. Throws as it.
    static std::vector<DeviceMemory> count(const GgufFile & file, const ForwardOptions & options);

    Forward(const Forward &)             = delete;
    Forward & operator=(const Forward &) = delete;
    Forward(Forward &&)                  = delete;
    Forward & operator=(Forward &&)      = delete;
    ~Forward()                           = default;

    KvPages & pages() { return *pages_; }

    const Weights & weights() const { return *weights_; }

    // What it takes of each device's memory, as count() says it. Not while a batch runs.
    std::vector<DeviceMemory> memory() const;

    // Rows that are computed beside those of a batch of n_rows.
    int32_t n_padding(int32_t n_rows) const;

    // Computes a batch and writes the K and V of its rows into their pages. Returns a logit for each score row, in order.
    // Throws engine_error or out_of_memory; what the pages of its pairs hold is not known then.
    std::vector<float> run(Batch batch);

    // Of the latest run that did not throw.
    const RunTimes & times() const { return times_; }

  private:
    struct Pass;

    // The batch that needs the most memory, and how much of each backend's.
    struct Largest {
        Batch               batch;
        std::vector<size_t> n_bytes;
    };

    Forward(const ForwardOptions & options, const std::atomic<bool> & abort);

    void                      make(const GgufFile &     file,
                                   const HeadWeights &  head,
                                   const ThreadPool &   threads,
                                   const LoadProgress & progress,
                                   Memory               memory);
    void                      fill(Pass & pass, const Batch & batch);
    void                      make_scheduler(const ThreadPool & threads);
    TrialBatches              trials() const;
    void                      try_out();
    Largest                   largest(const TrialBatches & trials);
    std::vector<DeviceMemory> memory(const std::vector<size_t> & computing) const;
    void                      reserve(const TrialBatches & trials);
    void                      warm_up(const TrialBatches & trials, std::chrono::steady_clock::time_point start);
    bool                      need_padding() const;

    bool on_gpu() const { return options_.gpu != nullptr; }

    ForwardOptions            options_;
    const std::atomic<bool> & abort_;

    // The scheduler goes before the backends, they before what lies in their buffers.
    std::unique_ptr<Weights>    weights_;
    std::unique_ptr<KvPages>    pages_;
    std::unique_ptr<ScoreHead>  head_;
    Products                    products_;
    PagedAttention              attention_;
    std::vector<ComputeBackend> backends_;
    ggml_backend_sched_ptr      scheduler_;
    std::optional<GraphMemory>  graph_memory_;
    int32_t                     own_page_ = 0;  // for rows that belong to no pair
    bool                        pad_      = false;
    RunTimes                    times_;
};

}  // namespace jina_reranker
