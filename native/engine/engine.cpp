#include "engine.h"

#include "batch-shape.h"
#include "cpu-features.h"
#include "kernels.h"

#include <algorithm>
#include <set>
#include <string>

namespace jina_reranker {

namespace {

constexpr int32_t kBatchTokensCpu  = 512;
constexpr int32_t kBatchTokensGpu  = 2048;
constexpr int32_t kShortestPrompt  = 16;                  // tokens; the headings alone are 9
constexpr int32_t kMostPairs       = 128;                 // of a batch
constexpr size_t  kMostCachedPages = size_t{ 1 } << 26U;  // cells are counted in 32 bits
// Gathered by a batch beside those of the longest pair where ggml computes attention: some 200 MB with this model's K and V.
constexpr int32_t kGatheredCells   = 65536;
// So that short documents pass a long one; a GPU, which takes 100 times what a CPU does, is fed by more.
constexpr int32_t kTokenizersCpu   = 2;
constexpr int32_t kTokenizersGpu   = 4;

// Pages that batches need beside the cache: the longest pair, partly computed, and a batch of others, each of which may leave
// most of a page empty.
int32_t pages_of_batches(const EngineInfo & info) {
    return pages_of(info.context_size) + pages_of(info.batch_tokens) + info.n_seq_max;
}

}  // namespace

Engine::Engine(EngineOptions options, const HeadWeights & head, const LoadProgress & progress) :
    options_(std::move(options)),
    model_(std::make_unique<Model>(options_.model_path,
                                   Placement{ options_.backend, options_.device, options_.n_gpu_layers })),
    queue_(
        std::make_unique<JobQueue>(QueueLimits{ options_.max_queued_pairs, options_.deduplicate, options_.context_size,
                                                QueueLimits().patience, TokenWork(model_->attention_cells()) })) {
    const bool on_gpu   = model_->on_gpu();
    // Our kernels are exact and there is no other way with them; ggml's attention, which all else takes, is not.
    const bool is_exact = !on_gpu && !attention_kernels(cpu_features()).empty();
    if (!is_exact && options_.reproducible == Reproducible::exact) {
        throw Error(ErrorCode::invalid_argument,
                    "reproducible: \"exact\" is not possible on " +
                        std::string(ggml_backend_dev_name(model_->device())) +
                        ", whose kernels sum in an order that depends on the batch; take \"fast\"" +
                        (on_gpu ? ", or the CPU" : ""));
    }
    model_->describe(info_);
    info_.context_size = options_.context_size;
    info_.batch_tokens = options_.batch_tokens > 0 ? options_.batch_tokens : on_gpu ? kBatchTokensGpu : kBatchTokensCpu;
    info_.n_threads    = options_.n_threads > 0 ? options_.n_threads : default_thread_count();
    info_.reproducible = is_exact ? Reproducible::exact : Reproducible::fast;
    info_.n_seq_max    = std::clamp(info_.batch_tokens / kShortestPrompt, 1, kMostPairs);

    page_bytes_                   = KvPages::page_bytes(shape_of(model_->file()), ggml_type_of(options_.kv_type));
    const auto     n_cached_pages = static_cast<int32_t>(std::min(cache_bytes() / page_bytes_, kMostCachedPages));
    const int32_t  n_own_pages    = 1;  // Forward's
    const int32_t  n_cells        = is_exact ? INT32_MAX : padded_cells(info_.context_size) + kGatheredCells;
    ForwardOptions forward;
    forward.gpu          = on_gpu ? model_->device() : nullptr;
    forward.n_gpu_layers = model_->n_gpu_layers();
    forward.n_threads    = info_.n_threads;
    forward.n_batch      = info_.batch_tokens;
    forward.n_pairs      = info_.n_seq_max;
    forward.n_context    = info_.context_size;
    forward.n_pages      = pages_of_batches(info_) + n_cached_pages + n_own_pages;
    forward.n_cells      = n_cells;
    forward.kv_type      = options_.kv_type;

    prompter_  = std::make_unique<Prompter>(model_->vocab(), model_->score_token(), info_.context_size);
    threads_   = std::make_unique<ThreadPool>(info_.n_threads);
    forward_   = std::make_unique<Forward>(model_->file(), head, forward, *threads_, abort_, progress);
    planner_   = std::make_unique<BatchPlanner>(PlannerLimits{
        info_.batch_tokens, info_.n_seq_max, pages_of_batches(info_), n_cells, TokenWork(model_->attention_cells()) });
    documents_ = std::make_unique<DocumentCache>(forward_->pages(), n_cached_pages);
    scores_    = std::make_unique<ScoreCache>(options_.score_cache_bytes);

    start_threads();
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

void Engine::start_threads() {
    const int32_t                    n_tokenizers = model_->on_gpu() ? kTokenizersGpu : kTokenizersCpu;
    std::vector<WorkerThreads::Work> works(static_cast<size_t>(n_tokenizers), [this] { run_tokenizer(); });
    works.emplace_back([this] { run_engine(); });
    workers_.start(works, [this] { queue_->close(); });
}

Engine::~Engine() {
    close();
}

uint64_t Engine::submit(ScoreRequest request, JobCallback on_done) {
    if (request.documents.empty()) {
        throw Error(ErrorCode::invalid_argument, "documents: expected at least one, got none");
    }
    return queue_->push(std::move(request), std::move(on_done));
}

std::shared_lock<std::shared_mutex> Engine::open_prompter() const {
    // close() says so first and frees later: whoever comes in between, or while it frees, does not wait.
    std::shared_lock lock(free_mutex_, std::try_to_lock);
    if (!lock || queue_->closed()) {
        throw Error(ErrorCode::closed, "the engine is closed");
    }
    return lock;
}

Prompt Engine::tokenize_pair(const std::string & query, const std::string & document) {
    const auto lock = open_prompter();
    prompter_->check_query(query);
    return prompter_->build(query, document);
}

std::vector<llama_token> Engine::tokenize(const std::string & text) {
    const auto lock = open_prompter();
    return prompter_->tokenize(text);
}

EngineStats Engine::stats() const {
    EngineStats stats;
    stats.tokens_computed = tokens_computed_.load();
    stats.tokens_padding  = tokens_padding_.load();
    stats.batches         = batches_.load();
    stats.tokens_reused   = tokens_reused_.load();
    stats.pairs_warm      = pairs_warm_.load();
    stats.cache_bytes     = cache_bytes_.load();
    stats.cache_entries   = cache_entries_.load();
    stats.pairs_repeated  = pairs_repeated_.load();
    queue_->count(stats);
    return stats;
}

void Engine::close() {
    queue_->close();
    const std::lock_guard closing(close_mutex_);
    workers_.join();
    const std::unique_lock freeing(free_mutex_);
    pairs_.clear();
    pairs_by_key_.clear();
    planner_.reset();
    documents_.reset();
    forward_.reset();
    scores_.reset();
    threads_.reset();
    prompter_.reset();
    model_.reset();
    cache_bytes_   = 0;
    cache_entries_ = 0;
}

void Engine::abort() {
    abort_.store(true);
    close();
}

void Engine::run_tokenizer() {
    while (const auto document = queue_->take_document()) {
        const ScoreRequest & request = document->job->request;
        const auto           start   = Clock::now();
        const auto           wanted  = [&] {
            return !document->job->settled.load();
        };
        Prompt               prompt;
        std::optional<Error> error;
        try {
            if (document->index == 0) {
                prompter_->check_query(request.query, wanted);
            }
            prompt = prompter_->build(request.query, request.documents[document->index], request.cut, wanted);
        } catch (const Error & failure) {
            error = failure.code == ErrorCode::document_too_long ?
                        Error(failure.code, "documents[" + std::to_string(document->index) + "]: " + failure.what()) :
                        failure;
        } catch (const std::exception & failure) {
            error = Error(ErrorCode::engine_error, std::string("tokenizing failed: ") + failure.what());
        }
        if (error) {
            queue_->fail(document->job->id, *error);
        }
        // Answered here, a repeated pair does not wait for the batch that runs.
        const std::optional<float> logit = scores_->find(prompt.tokens);
        tokens_reused_ += logit ? prompt.tokens.size() : 0;
        pairs_repeated_ += logit ? 1 : 0;
        queue_->give_prompt(*document, std::move(prompt), logit,
                            std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    }
}

void Engine::run_engine() {
    while (apply(queue_->take_work(planner_->n_waiting_tokens(), info_.batch_tokens))) {
        const Plan plan = planner_->next();
        if (plan.slices.empty()) {
            continue;
        }
        try {
            run_batch(plan);
        } catch (const Error & error) {
            fail_batch(plan, error);
        } catch (const std::exception & failure) {
            fail_batch(plan, Error(ErrorCode::engine_error, failure.what()));
        }
    }
}

// What the pages of its pairs hold is not known: their jobs end with it. Pages that the pairs share are only read.
void Engine::fail_batch(const Plan & plan, const Error & error) {
    for (const PlannedSlice & slice : plan.slices) {
        queue_->fail(slice.job, error);
    }
    if (!abort_.load()) {
        log_line(LogLevel::error, std::string("batch failed: ") + error.what());
    }
}

// Takes over what the queue gave. False once it is closed.
bool Engine::apply(JobQueue::Work work) {
    for (const uint64_t job : work.gone) {
        planner_->remove_job(job);
        for (auto pair = pairs_.lower_bound({ job, 0 }); pair != pairs_.end() && pair->first.first == job;) {
            remove_pair(pair++);
        }
    }
    for (JobQueue::ReadyPair & pair : work.pairs) {
        auto [pages, n_shared] = documents_->find(pair.tokens, pair.n_prefix);
        planner_->add_pair(pair.job, pair.index, static_cast<int32_t>(pair.tokens.size()), n_shared, 1 + pair.priority);
        add_pair({ pair.job, pair.index }, { std::move(pair.tokens), pair.n_prefix, n_shared, std::move(pages) });
    }
    return !work.closed;
}

void Engine::add_pair(const PairId & id, Pair pair) {
    const auto key = DocumentCache::key_of(pair.tokens);
    if (documents_->enabled() && pair.pages.empty() && key) {
        pairs_by_key_.emplace(*key, id);
    }
    pairs_[id] = std::move(pair);
}

void Engine::remove_pair(Pairs::iterator pair) {
    if (const auto key = DocumentCache::key_of(pair->second.tokens)) {
        const auto [first, last] = pairs_by_key_.equal_range(*key);
        const auto found = std::find_if(first, last, [&](const auto & other) { return other.second == pair->first; });
        if (found != last) {
            pairs_by_key_.erase(found);
        }
    }
    for (const int32_t page : pair->second.pages) {
        forward_->pages().release(page);
    }
    pairs_.erase(pair);
}

// So that the pair has pages for its first n_tokens tokens.
void Engine::take_pages(Pair & pair, int32_t n_tokens) {
    const int32_t n_pages = pages_of(pair.n_shared) + pages_of(n_tokens - pair.n_shared);
    while (static_cast<int32_t>(pair.pages.size()) < n_pages) {
        const auto page = forward_->pages().take();
        if (!page) {
            throw Error(ErrorCode::engine_error, "no page of KV state is free");  // pages_of_batches() is wrong then
        }
        pair.pages.push_back(*page);
    }
}

void Engine::run_batch(const Plan & plan) {
    std::set<uint64_t> jobs;
    Batch              batch;
    for (const PlannedSlice & slice : plan.slices) {
        Pair & pair = pairs_.at({ slice.job, slice.pair });
        take_pages(pair, slice.end);
        batch.add({ pair.tokens.begin() + slice.begin, pair.tokens.begin() + slice.end }, slice.begin, pair.pages,
                  slice.last, pair.n_shared);
        jobs.insert(slice.job);
    }
    queue_->begin_batch({ jobs.begin(), jobs.end() });
    give_logits(plan, forward_->run(std::move(batch)));
}

void Engine::give_logits(const Plan & plan, const std::vector<float> & logits) {
    std::vector<JobQueue::Score>          scores;
    std::vector<std::vector<llama_token>> kept;
    batches_ += 1;
    tokens_padding_ += static_cast<uint64_t>(forward_->n_padding(plan.n_tokens));
    for (const PlannedSlice & slice : plan.slices) {
        const auto pair = pairs_.find({ slice.job, slice.pair });
        tokens_computed_ += static_cast<uint64_t>(slice.end - slice.begin);
        tokens_reused_ += static_cast<uint64_t>(slice.restored ? slice.begin : 0);
        pairs_warm_ += slice.restored ? 1 : 0;
        queue_->add_tokens(slice.job, slice.begin, slice.end, slice.restored);
        if (slice.last) {
            const float logit = logits[scores.size()];
            scores.push_back({ slice.job, slice.pair, logit });
            scores_->insert(pair->second.tokens, logit);
            // Behind part of a page that it shares, all of its prefix is known.
            if (pair->second.n_shared % kPageTokens == 0 &&
                documents_->insert(pair->second.tokens, pair->second.n_prefix, pair->second.pages)) {
                kept.push_back(pair->second.tokens);
            }
            remove_pair(pair);
        }
    }
    for (const auto & tokens : kept) {
        use_prefix(tokens);
    }
    cache_bytes_   = static_cast<uint64_t>(documents_->n_pages()) * page_bytes_;
    cache_entries_ = documents_->n_entries();
    queue_->give_scores(scores);
}

// Pairs that came before their document's pages were kept get those while they wait.
void Engine::use_prefix(const std::vector<llama_token> & tokens) {
    const auto [first, last] = pairs_by_key_.equal_range(DocumentCache::key_of(tokens).value_or(0));
    for (auto waiting = first; waiting != last;) {
        const PairId id        = waiting->second;
        Pair &       pair      = pairs_.at(id);
        auto [pages, n_shared] = documents_->find(pair.tokens, pair.n_prefix);
        if (pair.pages.empty() && n_shared > 0 && planner_->warm(id.first, id.second, n_shared)) {
            pair.pages    = std::move(pages);
            pair.n_shared = n_shared;
            waiting       = pairs_by_key_.erase(waiting);
            continue;
        }
        for (const int32_t page : pages) {
            forward_->pages().release(page);
        }
        waiting = std::next(waiting);
    }
}

}  // namespace jina_reranker
