#include "engine.h"

#include "threads.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>

namespace jina_reranker {

namespace {

// Exact mode: tokens a slice starts at a multiple of. ggml's CPU kernels handle rows and KV cells in blocks of the vector
// width and treat the rest differently; 8 floats is AVX2's and NEON's block, 16 is AVX-512's.
constexpr int32_t kAlignment       = 8;
constexpr int32_t kAlignmentAvx512 = 16;
// Exact mode: output rows per decode are a multiple of this, for the same reason.
constexpr int32_t kOutputRows      = 4;
constexpr int32_t kBatchTokensCpu  = 512;
constexpr int32_t kBatchTokensGpu  = 2048;
constexpr int64_t kAttention       = int64_t{ 512 } * 2560;  // scores of one head, f32: with 12 heads 63 MB
constexpr int32_t kShortestPrompt  = 16;                     // tokens; the headings alone are 9
constexpr int32_t kMostSequences   = 128;                    // llama.cpp allows 256 in a context

int32_t padded(int32_t value, int32_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

int32_t cpu_alignment() {
    const auto features = backends_info().cpu_features;
    return std::find(features.begin(), features.end(), "AVX512") != features.end() ? kAlignmentAvx512 : kAlignment;
}

}  // namespace

struct Engine::Batch {
    std::vector<llama_token>    tokens;
    std::vector<llama_pos>      positions;
    std::vector<llama_seq_id>   sequences;
    std::vector<int8_t>         outputs;
    std::vector<int32_t>        n_sequences;
    std::vector<llama_seq_id *> sequence_pointers;
    std::vector<int32_t>        output_rows;      // [slice]: row of its score token, or -1
    std::vector<llama_seq_id>   slice_sequences;  // [slice]
    llama_pos                   n_padding = 0;

    void add(llama_token token, llama_pos position, llama_seq_id sequence, bool output) {
        tokens.push_back(token);
        positions.push_back(position);
        sequences.push_back(sequence);
        outputs.push_back(output ? 1 : 0);
    }

    llama_batch get() {
        n_sequences.assign(tokens.size(), 1);
        sequence_pointers.clear();
        for (llama_seq_id & sequence : sequences) {
            sequence_pointers.push_back(&sequence);
        }
        llama_batch batch = {};
        batch.n_tokens    = static_cast<int32_t>(tokens.size());
        batch.token       = tokens.data();
        batch.pos         = positions.data();
        batch.n_seq_id    = n_sequences.data();
        batch.seq_id      = sequence_pointers.data();
        batch.logits      = outputs.data();
        return batch;
    }
};

Engine::Engine(EngineOptions options, const HeadWeights & head, const LoadProgress & progress) :
    options_(std::move(options)),
    model_(std::make_unique<Model>(options_.model_path, options_.n_gpu_layers, progress)),
    queue_(std::make_unique<JobQueue>(options_.max_queued_pairs)) {
    const bool on_gpu = model_->on_gpu();
    model_->describe(info_);
    info_.context_size = options_.context_size;
    info_.batch_tokens = options_.batch_tokens > 0 ? options_.batch_tokens : on_gpu ? kBatchTokensGpu : kBatchTokensCpu;
    info_.n_threads    = options_.n_threads > 0 ? options_.n_threads : default_thread_count();
    info_.reproducible = options_.reproducible != Reproducible::automatic ? options_.reproducible :
                         on_gpu                                           ? Reproducible::fast :
                                                                            Reproducible::exact;
    const bool exact   = info_.reproducible == Reproducible::exact;
    if (exact && options_.flash_attention == FlashAttention::on) {
        throw Error(ErrorCode::invalid_argument,
                    "flashAttention: \"on\" cannot be combined with reproducible: \"exact\"");
    }
    info_.flash_attention = exact ? FlashAttention::off : options_.flash_attention;
    alignment_            = exact ? cpu_alignment() : 1;
    info_.batch_tokens    = padded(info_.batch_tokens, alignment_);
    info_.n_seq_max       = std::clamp(info_.batch_tokens / kShortestPrompt, 1, kMostSequences);

    prompter_ = std::make_unique<Prompter>(model_->vocab(), model_->score_token(), info_.context_size);
    head_     = std::make_unique<ScoreHead>(head, model_->n_embd(), model_->device(), info_.n_threads);
    planner_  = std::make_unique<BatchPlanner>(
        PlannerLimits{ info_.batch_tokens, info_.n_seq_max, alignment_, n_cells() - alignment_,
                       info_.flash_attention == FlashAttention::off ? kAttention : INT64_MAX });
    cache_ = std::make_unique<DocumentCache>(options_.document_cache_bytes, alignment_);
    create_context();
    reset_sequences();
    tokenizer_thread_ = std::thread([this] { run_tokenizer(); });
    engine_thread_    = std::thread([this] { run_engine(); });
}

// The partial pair's cells, at most a whole context, and one more batch.
int32_t Engine::n_cells() const {
    return padded(info_.context_size, 256) + padded(info_.batch_tokens + alignment_, 256);
}

void Engine::create_context() {
    const bool exact = info_.reproducible == Reproducible::exact;

    llama_context_params params  = llama_context_default_params();
    // A decode may carry one block of throw-away tokens on top of the plan, to fill up the output rows.
    const int32_t        n_batch = info_.batch_tokens + (exact ? alignment_ : 0);
    params.n_batch               = static_cast<uint32_t>(n_batch);
    params.n_ubatch              = params.n_batch;
    params.n_ctx                 = static_cast<uint32_t>(n_cells());
    params.n_seq_max             = static_cast<uint32_t>(info_.n_seq_max) + 1;  // and one for throw-away tokens
    params.n_outputs_max         = static_cast<uint32_t>(padded(info_.n_seq_max + 1, kOutputRows));
    params.n_threads             = info_.n_threads;
    params.n_threads_batch       = info_.n_threads;
    params.embeddings            = false;
    params.kv_unified            = true;
    params.type_k                = options_.kv_type == KvType::f32 ? GGML_TYPE_F32 : GGML_TYPE_F16;
    params.type_v                = params.type_k;
    params.flash_attn_type       = info_.flash_attention == FlashAttention::off ? LLAMA_FLASH_ATTN_TYPE_DISABLED :
                                   info_.flash_attention == FlashAttention::on  ? LLAMA_FLASH_ATTN_TYPE_ENABLED :
                                                                                  LLAMA_FLASH_ATTN_TYPE_AUTO;
    params.cb_eval               = on_eval;
    params.cb_eval_user_data     = this;
    params.abort_callback        = [](void * user_data) {
        return static_cast<Engine *>(user_data)->abort_.load(std::memory_order_relaxed);
    };
    params.abort_callback_data = this;

    take_last_error();
    context_.reset(llama_init_from_model(model_->get(), params));
    if (!context_) {
        const std::string reason = take_last_error();
        throw Error(ErrorCode::out_of_memory, "no context of " + std::to_string(params.n_ctx) +
                                                  " tokens could be made" + (reason.empty() ? "" : ": " + reason));
    }
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

Prompt Engine::tokenize_pair(const std::string & query, const std::string & document) {
    const std::lock_guard lock(close_mutex_);
    if (freed_) {
        throw Error(ErrorCode::closed, "the engine is closed");
    }
    prompter_->check_query(query);
    return prompter_->build(query, document);
}

std::vector<llama_token> Engine::tokenize(const std::string & text) {
    const std::lock_guard lock(close_mutex_);
    if (freed_) {
        throw Error(ErrorCode::closed, "the engine is closed");
    }
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
    queue_->count(stats);
    return stats;
}

void Engine::close() {
    queue_->close();
    const std::lock_guard lock(close_mutex_);
    if (freed_) {
        return;
    }
    freed_ = true;
    tokenizer_thread_.join();
    engine_thread_.join();
    context_.reset();
    head_.reset();
    prompter_.reset();
    model_.reset();
}

void Engine::abort() {
    abort_.store(true);
    close();
}

void Engine::run_tokenizer() {
    while (const auto document = queue_->take_document()) {
        const ScoreRequest & request = document->job->request;
        const auto           start   = Clock::now();
        Prompt               prompt;
        std::optional<Error> error;
        try {
            if (document->index == 0) {
                prompter_->check_query(request.query);
            }
            prompt = prompter_->build(request.query, request.documents[document->index]);
        } catch (const Error & failure) {
            error = failure;
        } catch (const std::exception & failure) {
            error = Error(ErrorCode::engine_error, std::string("tokenizing failed: ") + failure.what());
        }
        if (error) {
            queue_->fail(document->job->id, *error);
        }
        queue_->give_prompt(*document, std::move(prompt),
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
            if (partial_) {
                queue_->fail(partial_->first, error);
            }
            reset_sequences();
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
            reset_sequences();  // the partial pair was the only one in the cache
        }
        pairs_.erase(pairs_.lower_bound({ job, 0 }), pairs_.upper_bound({ job, UINT32_MAX }));
    }
    for (JobQueue::ReadyPair & pair : work.pairs) {
        DocumentCache::Match match = cache_->find(pair.tokens);
        planner_->add_pair(pair.job, pair.index, static_cast<int32_t>(pair.tokens.size()), match.n_tokens,
                           match.entry ? static_cast<int32_t>(match.entry->tokens.size()) : 0);
        pairs_[{ pair.job, pair.index }] = { std::move(pair.tokens), cache_->usable(pair.n_prefix),
                                             std::move(match.entry) };
    }
    return !work.closed;
}

// Empties the KV cache; every sequence is free.
void Engine::reset_sequences() {
    llama_memory_clear(llama_get_memory(context_.get()), false);
    partial_.reset();
    free_sequences_.clear();
    for (llama_seq_id sequence = info_.n_seq_max - 1; sequence >= 0; --sequence) {
        free_sequences_.push_back(sequence);
    }
}

void Engine::run_batch(const Plan & plan) {
    std::set<uint64_t> jobs;
    for (const PlannedSlice & slice : plan.slices) {
        jobs.insert(slice.job);
    }
    queue_->begin_batch({ jobs.begin(), jobs.end() });

    Batch batch;
    fill(batch, plan);
    decode(batch);
    keep_prefixes(batch, plan);
    free_sequences();
    batches_ += 1;
    tokens_padding_ += static_cast<uint64_t>(batch.n_padding);

    std::vector<float> logits;
    if (plan.n_last > 0) {
        const auto n_rows = static_cast<int32_t>(hidden_.size()) / info_.n_embd;
        logits            = head_->logits(hidden_, n_rows);
    }
    std::vector<JobQueue::Score> scores;
    for (size_t i = 0; i < plan.slices.size(); ++i) {
        const PlannedSlice & slice      = plan.slices[i];
        const auto           n_computed = static_cast<uint64_t>(slice.end - slice.begin);
        const auto           n_reused   = static_cast<uint64_t>(slice.restored ? slice.begin : 0);
        tokens_computed_ += n_computed;
        tokens_reused_ += n_reused;
        pairs_warm_ += slice.restored ? 1 : 0;
        queue_->add_tokens(slice.job, n_computed, n_reused);
        if (slice.last) {
            scores.push_back({ slice.job, slice.pair, logits[static_cast<size_t>(batch.output_rows[i])] });
            pairs_.erase({ slice.job, slice.pair });
        }
    }
    queue_->give_scores(scores);
}

// Lays the plan's slices out, each at a multiple of the alignment, with throw-away tokens of a sequence of their own
// between them. Some of those are flagged as outputs to make the number of output rows a multiple of kOutputRows.
void Engine::fill(Batch & batch, const Plan & plan) {
    const llama_seq_id padding_sequence = info_.n_seq_max;
    int32_t            n_rows           = 0;
    int32_t            n_fill_rows      = alignment_ > 1 ? padded(plan.n_last, kOutputRows) - plan.n_last : 0;

    const auto pad = [&](int32_t n_tokens) {
        for (int32_t i = 0; i < n_tokens; ++i) {
            const bool output = n_fill_rows > 0;
            n_fill_rows -= output ? 1 : 0;
            n_rows += output ? 1 : 0;
            batch.add(model_->score_token(), batch.n_padding++, padding_sequence, output);
        }
    };

    for (const PlannedSlice & slice : plan.slices) {
        Pair &       pair     = pairs_.at({ slice.job, slice.pair });
        llama_seq_id sequence = 0;
        if (slice.begin > 0 && !slice.restored) {
            sequence = partial_->second;
        } else {
            sequence = free_sequences_.back();
            free_sequences_.pop_back();
        }
        if (slice.restored) {
            restore(sequence, *pair.cached, slice.begin);
            pair.cached.reset();
        }
        batch.slice_sequences.push_back(sequence);
        for (int32_t i = slice.begin; i < slice.end; ++i) {
            const bool output = slice.last && i + 1 == slice.end;
            batch.add(pair.tokens[static_cast<size_t>(i)], i, sequence, output);
        }
        batch.output_rows.push_back(slice.last ? n_rows++ : -1);
        pad(slice.n_padding);
        if (!slice.last) {
            partial_ = { slice.job, sequence };
        } else if (slice.begin > 0 && !slice.restored) {
            partial_.reset();
        }
    }
    if (n_fill_rows > 0) {
        pad(alignment_);
    }
}

// Puts the first n_tokens of a cached prefix into a sequence. Done for all slices in order before the decode, so that
// cells lie in the order of the tokens.
void Engine::restore(llama_seq_id sequence, const DocumentCache::Entry & entry, int32_t n_tokens) {
    if (llama_state_seq_set_data(context_.get(), entry.state.data(), entry.state.size(), sequence) == 0) {
        throw Error(ErrorCode::engine_error,
                    "a document prefix of " + std::to_string(entry.tokens.size()) + " tokens could not be restored");
    }
    if (static_cast<int32_t>(entry.tokens.size()) > n_tokens) {
        llama_memory_seq_rm(llama_get_memory(context_.get()), sequence, n_tokens, -1);
    }
}

// Copies the prefixes of the pairs that are done into the document cache. Drops what comes behind them, which nobody
// needs any more.
void Engine::keep_prefixes(const Batch & batch, const Plan & plan) {
    if (!cache_->enabled()) {
        return;
    }
    for (size_t i = 0; i < plan.slices.size(); ++i) {
        const PlannedSlice & slice    = plan.slices[i];
        const Pair &         pair     = pairs_.at({ slice.job, slice.pair });
        const llama_seq_id   sequence = batch.slice_sequences[i];
        if (!slice.last || pair.n_prefix == 0 || (slice.restored && slice.begin >= pair.n_prefix)) {
            continue;
        }
        llama_memory_seq_rm(llama_get_memory(context_.get()), sequence, pair.n_prefix, -1);
        std::vector<uint8_t> state(llama_state_seq_get_size(context_.get(), sequence));
        if (llama_state_seq_get_data(context_.get(), state.data(), state.size(), sequence) == state.size()) {
            cache_->insert({ pair.tokens.begin(), pair.tokens.begin() + pair.n_prefix }, std::move(state));
        }
    }
    cache_bytes_   = cache_->n_bytes();
    cache_entries_ = cache_->n_entries();
}

void Engine::decode(Batch & batch) {
    hidden_.clear();
    take_last_error();
    const int32_t status = llama_decode(context_.get(), batch.get());
    if (status != 0) {
        const std::string reason = take_last_error();
        throw Error(ErrorCode::engine_error,
                    "llama_decode returned " + std::to_string(status) + (reason.empty() ? "" : ": " + reason));
    }
    const auto n_outputs = static_cast<size_t>(std::count(batch.outputs.begin(), batch.outputs.end(), 1));
    if (n_outputs > 0 && hidden_.size() != n_outputs * static_cast<size_t>(info_.n_embd)) {
        throw Error(ErrorCode::engine_error, "the decode gave " + std::to_string(hidden_.size()) +
                                                 " numbers of hidden states for " + std::to_string(n_outputs) +
                                                 " outputs");
    }
}

// Frees the cells of everything but the partial pair, so that its continuation lies right behind it.
void Engine::free_sequences() {
    if (!partial_) {
        reset_sequences();
        return;
    }
    free_sequences_.clear();
    for (llama_seq_id sequence = info_.n_seq_max; sequence >= 0; --sequence) {
        if (sequence != partial_->second) {
            llama_memory_seq_rm(llama_get_memory(context_.get()), sequence, -1, -1);
            if (sequence < info_.n_seq_max) {  // the last one is for throw-away tokens
                free_sequences_.push_back(sequence);
            }
        }
    }
}

// Copies the hidden states of the score tokens, then ends the graph: the projection onto the vocabulary, which comes
// after this tensor, is never computed.
bool Engine::on_eval(ggml_tensor * tensor, bool ask, void * user_data) {
    if (ask) {
        return std::strcmp(tensor->name, "result_norm") == 0;
    }
    auto & engine = *static_cast<Engine *>(user_data);
    engine.hidden_.resize(static_cast<size_t>(ggml_nelements(tensor)));
    ggml_backend_tensor_get(tensor, engine.hidden_.data(), 0, ggml_nbytes(tensor));
    return false;
}

}  // namespace jina_reranker
