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
constexpr int32_t kShortestPrompt  = 16;   // tokens; the headings alone are 9
constexpr int32_t kMostSequences   = 128;  // llama.cpp allows 256 in a context

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
    std::vector<int32_t>        output_rows;  // [slice]: row of its score token, or -1
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
    planner_  = std::make_unique<BatchPlanner>(PlannerLimits{ info_.batch_tokens, info_.n_seq_max, alignment_ });
    create_context();
    reset_sequences();
    tokenizer_thread_ = std::thread([this] { run_tokenizer(); });
    engine_thread_    = std::thread([this] { run_engine(); });
}

void Engine::create_context() {
    const bool exact = info_.reproducible == Reproducible::exact;

    llama_context_params params  = llama_context_default_params();
    // A decode may carry one block of throw-away tokens on top of the plan, to fill up the output rows.
    const int32_t        n_batch = info_.batch_tokens + (exact ? alignment_ : 0);
    params.n_batch               = static_cast<uint32_t>(n_batch);
    params.n_ubatch              = params.n_batch;
    // The partial pair's cells, at most a whole context, and one more batch.
    params.n_ctx                 = static_cast<uint32_t>(padded(info_.context_size, 256) + padded(n_batch, 256));
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
            // Cells of this batch may be half written: start from an empty cache.
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
        prompts_.erase(prompts_.lower_bound({ job, 0 }), prompts_.upper_bound({ job, UINT32_MAX }));
    }
    for (JobQueue::ReadyPair & pair : work.pairs) {
        planner_->add_pair(pair.job, pair.index, static_cast<int32_t>(pair.tokens.size()));
        prompts_[{ pair.job, pair.index }] = std::move(pair.tokens);
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
    decode(batch, plan);
    batches_ += 1;
    tokens_padding_ += static_cast<uint64_t>(batch.n_padding);

    std::vector<float> logits;
    if (plan.n_last > 0) {
        const auto n_rows = static_cast<int32_t>(hidden_.size()) / info_.n_embd;
        logits            = head_->logits(hidden_, n_rows);
    }
    std::vector<JobQueue::Score> scores;
    for (size_t i = 0; i < plan.slices.size(); ++i) {
        const PlannedSlice & slice    = plan.slices[i];
        const auto           n_tokens = static_cast<uint64_t>(slice.end - slice.begin);
        tokens_computed_ += n_tokens;
        queue_->add_computed(slice.job, n_tokens);
        if (slice.last) {
            scores.push_back({ slice.job, slice.pair, logits[static_cast<size_t>(batch.output_rows[i])] });
            prompts_.erase({ slice.job, slice.pair });
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
        llama_seq_id sequence = 0;
        if (slice.begin > 0) {
            sequence = partial_->second;
        } else {
            sequence = free_sequences_.back();
            free_sequences_.pop_back();
        }
        const auto & tokens = prompts_.at({ slice.job, slice.pair });
        for (int32_t i = slice.begin; i < slice.end; ++i) {
            const bool output = slice.last && i + 1 == slice.end;
            batch.add(tokens[static_cast<size_t>(i)], i, sequence, output);
        }
        batch.output_rows.push_back(slice.last ? n_rows++ : -1);
        pad(slice.n_padding);
        if (!slice.last) {
            partial_ = { slice.job, sequence };
        }
    }
    if (n_fill_rows > 0) {
        pad(alignment_);
    }
}

void Engine::decode(Batch & batch, const Plan & plan) {
    hidden_.clear();
    take_last_error();
    const int32_t status = llama_decode(context_.get(), batch.get());
    if (status != 0) {
        const std::string reason = take_last_error();
        free_sequences(plan);
        throw Error(ErrorCode::engine_error,
                    "llama_decode returned " + std::to_string(status) + (reason.empty() ? "" : ": " + reason));
    }
    free_sequences(plan);

    const auto n_outputs = static_cast<size_t>(std::count(batch.outputs.begin(), batch.outputs.end(), 1));
    if (n_outputs > 0 && hidden_.size() != n_outputs * static_cast<size_t>(info_.n_embd)) {
        throw Error(ErrorCode::engine_error, "the decode gave " + std::to_string(hidden_.size()) +
                                                 " numbers of hidden states for " + std::to_string(n_outputs) +
                                                 " outputs");
    }
}

// Frees the cells of everything but the partial pair, so that its continuation lies right behind it.
void Engine::free_sequences(const Plan & plan) {
    const auto is_partial = [](const PlannedSlice & slice) {
        return !slice.last;
    };
    if (std::none_of(plan.slices.begin(), plan.slices.end(), is_partial)) {
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
