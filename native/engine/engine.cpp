#include "engine.h"

#include "cpu-features.h"
#include "kernels.h"

#include <algorithm>
#include <set>
#include <string>

namespace jina_reranker {

namespace {

// Exact mode with ggml's attention: tokens a slice starts at a multiple of. Its kernels handle KV cells in blocks of the
// vector width and treat the rest differently; 8 floats is AVX2's and NEON's block, 16 is AVX-512's.
constexpr int32_t kAlignment       = 8;
constexpr int32_t kAlignmentAvx512 = 16;
constexpr int32_t kBatchTokensCpu  = 512;
constexpr int32_t kBatchTokensGpu  = 2048;
constexpr int64_t kAttention       = int64_t{ 512 } * 2560;  // scores of one head, f32: with 12 heads 63 MB
constexpr int32_t kShortestPrompt  = 16;                     // tokens; the headings alone are 9
constexpr int32_t kMostSequences   = 128;                    // llama.cpp allows 256 in a context
// So that short documents pass a long one; a GPU, which takes 100 times what a CPU does, is fed by more.
constexpr int32_t kTokenizersCpu   = 2;
constexpr int32_t kTokenizersGpu   = 4;

int32_t padded(int32_t value, int32_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

int32_t cpu_alignment() {
    return cpu_features().avx512 ? kAlignmentAvx512 : kAlignment;
}

}  // namespace

Engine::Engine(EngineOptions options, const HeadWeights & head, const LoadProgress & progress) :
    options_(std::move(options)),
    model_(std::make_unique<Model>(
        options_.model_path, Placement{ options_.backend, options_.device, options_.n_gpu_layers }, progress)),
    queue_(
        std::make_unique<JobQueue>(QueueLimits{ options_.max_queued_pairs, options_.deduplicate, options_.context_size,
                                                QueueLimits().patience, TokenWork(model_->attention_cells()) })) {
    const bool on_gpu = model_->on_gpu();
    model_->describe(info_);
    info_.context_size = options_.context_size;
    info_.batch_tokens = options_.batch_tokens > 0 ? options_.batch_tokens : on_gpu ? kBatchTokensGpu : kBatchTokensCpu;
    info_.n_threads    = options_.n_threads > 0 ? options_.n_threads : default_thread_count();
    info_.reproducible = options_.reproducible != Reproducible::automatic ? options_.reproducible :
                         on_gpu                                           ? Reproducible::fast :
                                                                            Reproducible::exact;
    const bool exact   = info_.reproducible == Reproducible::exact;
    const bool own_attention =
        !on_gpu && options_.flash_attention != FlashAttention::off && !attention_kernels(cpu_features()).empty();
    if (exact && !own_attention && options_.flash_attention == FlashAttention::on) {
        throw Error(ErrorCode::invalid_argument,
                    "flashAttention: \"on\" cannot be combined with reproducible: \"exact\" here");
    }
    if (options_.kv_type == KvType::q8_0 && !own_attention &&
        (exact || options_.flash_attention == FlashAttention::off)) {
        throw Error(ErrorCode::invalid_argument,
                    "kvType: \"q8_0\" needs flash attention, which flashAttention: \"off\"" +
                        std::string(exact ? " and reproducible: \"exact\" here" : "") + " cannot have");
    }
    info_.flash_attention = own_attention ? FlashAttention::on : exact ? FlashAttention::off : options_.flash_attention;
    const int32_t alignment = exact && !own_attention ? cpu_alignment() : 1;
    info_.batch_tokens      = padded(info_.batch_tokens, alignment);
    info_.n_seq_max         = std::clamp(info_.batch_tokens / kShortestPrompt, 1, kMostSequences);

    const DecoderOptions decoder_options = {
        info_.context_size,    info_.batch_tokens, info_.n_seq_max,      exact,           alignment, info_.n_threads,
        info_.flash_attention, own_attention,      model_->own_matmul(), options_.kv_type
    };
    prompter_ = std::make_unique<Prompter>(model_->vocab(), model_->score_token(), info_.context_size);
    threads_  = std::make_unique<ThreadPool>(info_.n_threads);
    head_     = std::make_unique<ScoreHead>(head, model_->n_embd(), model_->device(), info_.n_threads, threads_->get());
    planner_  = std::make_unique<BatchPlanner>(PlannerLimits{
        info_.batch_tokens, info_.n_seq_max, alignment,
        Decoder::n_cells(decoder_options) - Decoder::n_fill(decoder_options),
        info_.flash_attention == FlashAttention::off ? kAttention : INT64_MAX, TokenWork(model_->attention_cells()) });
    documents_ = std::make_unique<DocumentCache>(options_.document_cache_bytes, alignment);
    scores_    = std::make_unique<ScoreCache>(options_.score_cache_bytes);
    decoder_   = std::make_unique<Decoder>(model_->get(), model_->score_token(), decoder_options, *threads_, abort_);

    start_threads();
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
    decoder_.reset();
    pairs_.clear();
    pairs_by_key_.clear();
    planner_.reset();
    documents_.reset();
    scores_.reset();
    head_.reset();
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
        } catch (const std::exception & failure) {
            const auto * typed = dynamic_cast<const Error *>(&failure);
            const Error  error = typed != nullptr ? *typed : Error(ErrorCode::engine_error, failure.what());
            // Cells of this batch may be half written: start from an empty cache, which also takes the partial pair's.
            if (const auto partial = decoder_->partial_job()) {
                queue_->fail(*partial, error);
            }
            decoder_->reset();
            for (const PlannedSlice & slice : plan.slices) {
                queue_->fail(slice.job, error);
            }
            if (!abort_.load()) {
                log_line(LogLevel::error, std::string("batch failed: ") + error.what());
            }
        }
    }
}

// Takes over what the queue gave. False once it is closed.
bool Engine::apply(JobQueue::Work work) {
    for (const uint64_t job : work.gone) {
        if (planner_->remove_job(job)) {
            decoder_->reset();  // the partial pair was the only one in the cache
        }
        for (auto pair = pairs_.lower_bound({ job, 0 }); pair != pairs_.end() && pair->first.first == job;) {
            remove_pair(pair++);
        }
    }
    for (JobQueue::ReadyPair & pair : work.pairs) {
        DocumentCache::Match match = documents_->find(pair.tokens);
        planner_->add_pair(pair.job, pair.index, static_cast<int32_t>(pair.tokens.size()), match.n_tokens,
                           match.entry ? static_cast<int32_t>(match.entry->tokens.size()) : 0, 1 + pair.priority);
        add_pair({ pair.job, pair.index },
                 { std::move(pair.tokens), documents_->usable(pair.n_prefix), std::move(match.entry) });
    }
    return !work.closed;
}

void Engine::add_pair(const PairId & id, Pair pair) {
    const auto key = DocumentCache::key_of(pair.tokens);
    if (documents_->enabled() && !pair.cached && key) {
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
    pairs_.erase(pair);
}

void Engine::run_batch(const Plan & plan) {
    std::set<uint64_t>          jobs;
    std::vector<Decoder::Slice> slices;
    for (const PlannedSlice & slice : plan.slices) {
        const Pair & pair = pairs_.at({ slice.job, slice.pair });
        jobs.insert(slice.job);
        slices.push_back({ slice, &pair.tokens, pair.cached.get() });
    }
    queue_->begin_batch({ jobs.begin(), jobs.end() });
    decoder_->decode(slices);
    const Entries kept = keep_prefixes(plan);
    decoder_->free_sequences();
    batches_ += 1;
    tokens_padding_ += static_cast<uint64_t>(decoder_->n_padding());

    std::vector<float> logits;
    if (plan.n_last > 0) {
        const auto n_rows = static_cast<int32_t>(decoder_->hidden().size()) / info_.n_embd;
        logits            = head_->logits(decoder_->hidden(), n_rows);
    }
    std::vector<JobQueue::Score> scores;
    for (size_t i = 0; i < plan.slices.size(); ++i) {
        const PlannedSlice & slice      = plan.slices[i];
        const auto           n_computed = static_cast<uint64_t>(slice.end - slice.begin);
        const auto           n_reused   = static_cast<uint64_t>(slice.restored ? slice.begin : 0);
        const auto           pair       = pairs_.find({ slice.job, slice.pair });
        tokens_computed_ += n_computed;
        tokens_reused_ += n_reused;
        pairs_warm_ += slice.restored ? 1 : 0;
        queue_->add_tokens(slice.job, slice.begin, slice.end, slice.restored);
        pair->second.cached.reset();
        if (slice.last) {
            const float logit = logits[static_cast<size_t>(decoder_->output_row(i))];
            scores.push_back({ slice.job, slice.pair, logit });
            scores_->insert(pair->second.tokens, logit);
            remove_pair(pair);
        }
    }
    use_prefixes(kept);
    queue_->give_scores(scores);
}

// Copies the prefixes of the pairs that are done into the document cache. Returns those that are new there.
Engine::Entries Engine::keep_prefixes(const Plan & plan) {
    Entries kept;
    if (!documents_->enabled()) {
        return kept;
    }
    for (size_t i = 0; i < plan.slices.size(); ++i) {
        const PlannedSlice & slice = plan.slices[i];
        const Pair &         pair  = pairs_.at({ slice.job, slice.pair });
        if (!slice.last || pair.n_prefix == 0 || (slice.restored && slice.begin >= pair.n_prefix)) {
            continue;
        }
        std::vector<uint8_t> state = decoder_->save_prefix(i, pair.n_prefix);
        if (!state.empty()) {
            auto entry =
                documents_->insert({ pair.tokens.begin(), pair.tokens.begin() + pair.n_prefix }, std::move(state));
            if (entry) {
                kept.push_back(std::move(entry));
            }
        }
    }
    cache_bytes_   = documents_->n_bytes();
    cache_entries_ = documents_->n_entries();
    // A waiting pair takes the first that serves it.
    std::sort(kept.begin(), kept.end(),
              [](const auto & left, const auto & right) { return left->tokens.size() > right->tokens.size(); });
    return kept;
}

// Pairs that came before their document's prefix was there get it while they wait.
void Engine::use_prefixes(const Entries & entries) {
    for (const DocumentCache::EntryPtr & entry : entries) {
        const auto [first, last] = pairs_by_key_.equal_range(DocumentCache::key_of(entry->tokens).value_or(0));
        for (auto waiting = first; waiting != last;) {
            const PairId         id    = waiting->second;
            Pair &               pair  = pairs_.at(id);
            DocumentCache::Match match = documents_->use_of(entry, pair.tokens);
            const bool           warm  = match.entry && planner_->warm(id.first, id.second, match.n_tokens,
                                                                       static_cast<int32_t>(match.entry->tokens.size()));
            if (warm) {
                pair.cached = std::move(match.entry);
            }
            waiting = warm ? pairs_by_key_.erase(waiting) : std::next(waiting);
        }
    }
}

}  // namespace jina_reranker
