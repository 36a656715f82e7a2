#include "engine.h"

#include "batch-shape.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

namespace jina_reranker {

namespace {

constexpr int32_t kBatchTokensCpu  = 512;
constexpr int32_t kBatchTokensGpu  = 2048;
constexpr int32_t kShortestPrompt  = 16;                  // tokens; the headings alone are 9
constexpr int32_t kMostPairs       = 128;                 // of a batch
constexpr size_t  kMostCachedPages = size_t{ 1 } << 26U;  // cells are counted in 32 bits
constexpr int32_t kOwnPages        = 1;                   // Forward's
// Texts of 2 million tokens of English, and these tokens; the KV state of so many takes 60 GB.
constexpr size_t  kKnownTextBytes  = size_t{ 16 } << 20U;
// Gathered by a batch beside those of the longest pair where ggml computes attention: some 200 MB with this model's K and V.
constexpr int32_t kGatheredCells   = 65536;

// Pages that batches need beside the cache: the longest pair, partly computed, and a batch of others, each of which may leave
// most of a page empty.
int32_t pages_of_batches(const EngineInfo & info) {
    return pages_of(info.context_size) + pages_of(info.batch_tokens) + info.n_seq_max;
}

}  // namespace

Engine::Engine(EngineOptions options, const HeadWeights & head, const LoadProgress & progress) :
    options_(std::move(options)),
    model_(std::make_unique<Model>(options_.model_path,
                                   Placement{ options_.backend, options_.device, options_.n_gpu_layers })) {
    const bool      on_gpu = model_->on_gpu();
    const TokenWork token_work(model_->attention_cells());
    resolve(on_gpu);

    const size_t page_bytes     = KvPages::page_bytes(shape_of(model_->file()), ggml_type_of(options_.kv_type));
    const auto   n_cached_pages = static_cast<int32_t>(std::min(cache_bytes() / page_bytes, kMostCachedPages));

    QueueLimits queue;
    queue.max_pairs    = options_.max_queued_pairs;
    queue.deduplicate  = options_.deduplicate;
    queue.context_size = info_.context_size;
    queue.token_work   = token_work;

    PlannerLimits planner;
    planner.n_batch    = info_.batch_tokens;
    planner.n_pairs    = info_.n_seq_max;
    planner.n_pages    = pages_of_batches(info_);
    planner.n_cells    = most_cells();
    planner.token_work = token_work;

    prompter_ = std::make_unique<Prompter>(model_->vocab(), model_->score_token(), info_.context_size,
                                           std::min(kKnownTextBytes, options_.document_cache_bytes));
    threads_  = std::make_unique<ThreadPool>(info_.n_threads);
    queue_    = std::make_unique<JobQueue>(queue);
    scores_   = std::make_unique<ScoreCache>(options_.score_cache_bytes);
    forward_ =
        std::make_unique<Forward>(model_->file(), head, forward_options(n_cached_pages), *threads_, abort_, progress);
    loop_      = std::make_unique<EngineLoop>(LoopParts{ *queue_, *forward_, *scores_, counters_, abort_ }, planner,
                                         n_cached_pages, page_bytes);
    tokenizer_ = std::make_unique<TokenizerWorker>(*queue_, *prompter_, *scores_, counters_);
    const bool all_on_gpu = on_gpu && model_->n_gpu_layers() > info_.n_layer;
    lane_                 = std::make_unique<TokenizerPool::Lane>(
        TokenizerPool::shared(tokenizer_threads(all_on_gpu, default_thread_count())), [this] { tokenizer_->step(); });
    engine_thread_.start({ [this] {
                             loop_->run();
                         } },
                         [this] { queue_->close(); });
}

// What "automatic" and 0 mean here.
void Engine::resolve(bool on_gpu) {
    // Our kernels are exact and there is no other way with them; ggml's attention, which GPUs take, is not.
    if (on_gpu && options_.reproducible == Reproducible::exact) {
        throw Error(ErrorCode::invalid_argument,
                    "reproducible: \"exact\" is not possible on " +
                        std::string(ggml_backend_dev_name(model_->device())) +
                        ", whose kernels sum in an order that depends on the batch; take \"fast\", or the CPU");
    }
    model_->describe(info_);
    info_.context_size = options_.context_size;
    info_.batch_tokens = options_.batch_tokens > 0 ? options_.batch_tokens : on_gpu ? kBatchTokensGpu : kBatchTokensCpu;
    info_.n_threads    = options_.n_threads > 0 ? options_.n_threads : default_thread_count();
    info_.reproducible = on_gpu ? Reproducible::fast : Reproducible::exact;
    info_.n_seq_max    = std::clamp(info_.batch_tokens / kShortestPrompt, 1, kMostPairs);
}

// Cells of a batch, padded; our attention reads the pages as they are.
int32_t Engine::most_cells() const {
    return info_.reproducible == Reproducible::exact ? INT32_MAX : padded_cells(info_.context_size) + kGatheredCells;
}

ForwardOptions Engine::forward_options(int32_t n_cached_pages) const {
    ForwardOptions forward;
    forward.gpu          = model_->on_gpu() ? model_->device() : nullptr;
    forward.n_gpu_layers = model_->n_gpu_layers();
    forward.n_threads    = info_.n_threads;
    forward.n_batch      = info_.batch_tokens;
    forward.n_pairs      = info_.n_seq_max;
    forward.n_context    = info_.context_size;
    forward.n_pages      = pages_of_batches(info_) + n_cached_pages + kOwnPages;
    forward.n_cells      = most_cells();
    forward.kv_type      = options_.kv_type;
    return forward;
}

// For the document cache: what was asked for, on a GPU at most half of what the weights leave.
size_t Engine::cache_bytes() const {
    if (!model_->on_gpu()) {
        return options_.document_cache_bytes;
    }
    size_t n_free  = 0;
    size_t n_total = 0;
    ggml_backend_dev_memory(model_->device(), &n_free, &n_total);
    const size_t n_left = n_free > info_.size_bytes ? n_free - info_.size_bytes : 0;
    return std::min(options_.document_cache_bytes, n_left / 2);
}

Engine::~Engine() {
    close();
}

std::shared_lock<std::shared_mutex> Engine::open_prompter() const {
    // close() says so first and frees later: whoever comes in between, or while it frees, does not wait.
    std::shared_lock lock(free_mutex_, std::try_to_lock);
    if (!lock || queue_->closed()) {
        throw Error(ErrorCode::closed, "the engine is closed");
    }
    return lock;
}

uint64_t Engine::submit(ScoreRequest request, JobCallback on_done) {
    if (request.documents.empty()) {
        throw Error(ErrorCode::invalid_argument, "documents: expected at least one, got none");
    }
    const size_t   n_documents = request.documents.size();
    const uint64_t id          = queue_->push(std::move(request), std::move(on_done));
    lane_->post(n_documents);
    return id;
}

Prompt Engine::tokenize_pair(const std::string & query, const std::string & document) {
    const auto lock = open_prompter();
    prompter_->check_query(query);
    return prompter_->build(query, document);
}

std::vector<llama_token> Engine::tokenize(const std::string & text) {
    const auto lock = open_prompter();
    return prompter_->tokenizer().tokenize(text, SIZE_MAX, {}).tokens;
}

EngineStats Engine::stats() const {
    EngineStats stats;
    counters_.count(stats);
    queue_->count(stats);
    return stats;
}

void Engine::close() {
    queue_->close();
    const std::lock_guard closing(close_mutex_);
    lane_->leave();
    engine_thread_.join();
    const std::unique_lock freeing(free_mutex_);
    tokenizer_.reset();
    loop_.reset();
    forward_.reset();
    scores_.reset();
    threads_.reset();
    prompter_.reset();
    model_.reset();
    counters_.cache_bytes   = 0;
    counters_.cache_entries = 0;
}

void Engine::abort() {
    abort_.store(true);
    close();
}

}  // namespace jina_reranker
