#include "decoder.h"

#include "backend.h"
#include "cpu-features.h"
#include "error.h"
#include "kernels.h"
#include "missing-memory.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

namespace jina_reranker {

namespace {

// Exact mode: tokens and outputs of a decode are multiples of this, because the kernels treat left-over rows differently.
constexpr int32_t kRows = 4;

int32_t padded(int32_t value, int32_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

ggml_type type_of(KvType type) {
    switch (type) {
        case KvType::f16:
            return GGML_TYPE_F16;
        case KvType::f32:
            return GGML_TYPE_F32;
        case KvType::q8_0:
            return GGML_TYPE_Q8_0;
    }
    return GGML_TYPE_F16;
}

llama_flash_attn_type type_of(FlashAttention flash_attention) {
    switch (flash_attention) {
        case FlashAttention::on:
            return LLAMA_FLASH_ATTN_TYPE_ENABLED;
        case FlashAttention::off:
            return LLAMA_FLASH_ATTN_TYPE_DISABLED;
        case FlashAttention::automatic:
            return LLAMA_FLASH_ATTN_TYPE_AUTO;
    }
    return LLAMA_FLASH_ATTN_TYPE_AUTO;
}

}  // namespace

void Decoder::Batch::add(llama_token token, llama_pos position, llama_seq_id sequence, bool output) {
    tokens.push_back(token);
    positions.push_back(position);
    sequences.push_back(sequence);
    outputs.push_back(output ? 1 : 0);
}

llama_batch Decoder::Batch::get() {
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

int32_t Decoder::n_fill(const DecoderOptions & options) {
    return options.exact ? std::max(options.alignment, 2 * kRows) : 0;
}

int32_t Decoder::n_cells(const DecoderOptions & options) {
    return padded(options.context_size, 256) + padded(options.batch_tokens + n_fill(options), 256);
}

Decoder::Decoder(llama_model *             model,
                 llama_token               padding_token,
                 DecoderOptions            options,
                 const ThreadPool &        thread_pool,
                 const std::atomic<bool> & abort) :
    options_(options),
    padding_token_(padding_token),
    abort_(abort),
    attention_(options.own_attention ?
                   std::make_unique<Attention>(options.n_threads, turns_, attention_kernels(cpu_features()).back()) :
                   nullptr),
    matmul_(options.own_matmul ?
                std::make_unique<MatMul>(options.n_threads, turns_, matmul_kernels(cpu_features()).back()) :
                nullptr) {
    llama_context_params params = llama_context_default_params();
    params.n_batch              = static_cast<uint32_t>(options.batch_tokens + n_fill(options));
    params.n_ubatch             = params.n_batch;
    params.n_ctx                = static_cast<uint32_t>(n_cells(options));
    params.n_seq_max            = static_cast<uint32_t>(options.n_seq_max) + 1;  // and one for throw-away tokens
    params.n_outputs_max        = static_cast<uint32_t>(padded(options.n_seq_max + 1, kRows));
    params.n_threads            = options.n_threads;
    params.n_threads_batch      = options.n_threads;
    params.embeddings           = false;
    params.kv_unified           = true;
    params.type_k               = type_of(options.kv_type);
    params.type_v               = params.type_k;
    params.flash_attn_type      = type_of(options.flash_attention);
    params.cb_eval              = on_eval;
    params.cb_eval_user_data    = this;
    params.abort_callback       = [](void * user_data) {
        return static_cast<Decoder *>(user_data)->abort_.load(std::memory_order_relaxed);
    };
    params.abort_callback_data = this;

    take_errors();
    {
        const BackendsInUse in_use = use_backends();
        context_.reset(llama_init_from_model(model, params));
    }
    if (!context_) {
        const std::string reason = take_errors();
        const std::string what   = "no context of " + std::to_string(params.n_ctx) + " tokens could be made";
        if (tell_of_missing_memory(reason)) {
            throw Error(ErrorCode::out_of_memory,
                        what + " for want of memory: lower CTX_SIZE, BATCH_TOKENS or DOCUMENT_CACHE_MB: " + reason);
        }
        // The options were checked before: it is the model that they cannot be had with.
        throw Error(ErrorCode::model_invalid, what + " for this model" + (reason.empty() ? "" : ": " + reason));
    }
    if (thread_pool.get() != nullptr) {
        llama_attach_threadpool(context_.get(), thread_pool.get(), thread_pool.get());
    }
    reset();
    try_out();
}

// Decodes one token: what cannot be computed here fails the load, and not each request.
void Decoder::try_out() {
    const std::vector<llama_token> tokens = { padding_token_ };
    PlannedSlice                   slice  = {};
    slice.end                             = 1;
    slice.last                            = true;
    slice.n_padding                       = options_.alignment - 1;
    try {
        decode({ { slice, &tokens, nullptr } });
    } catch (const Error & error) {
        llama_detach_threadpool(context_.get());
        if (error.code != ErrorCode::engine_error || abort_.load()) {
            throw;
        }
        throw Error(ErrorCode::model_invalid, std::string("the model cannot be computed: ") + error.what() +
                                                  (attention_ ? "; flashAttention: \"off\" may do" : ""));
    }
    reset();
}

Decoder::~Decoder() {
    llama_detach_threadpool(context_.get());
}

std::optional<uint64_t> Decoder::partial_job() const {
    return partial_ ? std::optional(partial_->job) : std::nullopt;
}

void Decoder::reset() {
    llama_memory_clear(llama_get_memory(context_.get()), false);
    partial_.reset();
    free_sequences_.clear();
    for (llama_seq_id sequence = options_.n_seq_max - 1; sequence >= 0; --sequence) {
        free_sequences_.push_back(sequence);
    }
}

llama_seq_id Decoder::take_sequence(const PlannedSlice & slice) {
    if (slice.begin > 0 && !slice.restored) {
        return partial_->sequence;
    }
    const llama_seq_id sequence = free_sequences_.back();
    free_sequences_.pop_back();
    return sequence;
}

// Lays the slices out, each at a multiple of the alignment, with throw-away tokens of a sequence of their own between and
// behind them. Some of those are flagged as outputs to make the number of output rows a multiple of kRows.
void Decoder::fill(const std::vector<Slice> & slices) {
    batch_                              = {};
    const llama_seq_id padding_sequence = options_.n_seq_max;
    const auto         n_last           = static_cast<int32_t>(
        std::count_if(slices.begin(), slices.end(), [](const Slice & slice) { return slice.plan.last; }));
    int32_t n_rows      = 0;
    int32_t n_fill_rows = options_.exact ? padded(n_last, kRows) - n_last : 0;

    const auto pad = [&](int32_t n_tokens) {
        for (int32_t i = 0; i < n_tokens; ++i) {
            const bool output = n_fill_rows > 0;
            n_fill_rows -= output ? 1 : 0;
            n_rows += output ? 1 : 0;
            batch_.add(padding_token_, batch_.n_padding++, padding_sequence, output);
        }
    };

    for (const auto & [plan, tokens, cached] : slices) {
        const llama_seq_id sequence = take_sequence(plan);
        if (plan.restored) {
            restore(sequence, *cached, plan.begin);
        }
        batch_.slice_sequences.push_back(sequence);
        for (int32_t i = plan.begin; i < plan.end; ++i) {
            const bool output = plan.last && i + 1 == plan.end;
            batch_.add((*tokens)[static_cast<size_t>(i)], i, sequence, output);
        }
        batch_.output_rows.push_back(plan.last ? n_rows++ : -1);
        pad(plan.n_padding);
        if (!plan.last) {
            partial_ = { plan.job, sequence };
        } else if (plan.begin > 0 && !plan.restored) {
            partial_.reset();
        }
    }
    if (options_.exact) {
        const auto n_tokens = static_cast<int32_t>(batch_.tokens.size());
        pad(padded(n_tokens + n_fill_rows, std::max(options_.alignment, kRows)) - n_tokens);
    }
}

// Puts the first n_tokens of a cached prefix into a sequence. Done for all slices in order before the decode, so that
// cells lie in the order of the tokens.
void Decoder::restore(llama_seq_id sequence, const DocumentCache::Entry & entry, int32_t n_tokens) {
    if (llama_state_seq_set_data(context_.get(), entry.state.data(), entry.state.size(), sequence) == 0) {
        throw Error(ErrorCode::engine_error,
                    "a document prefix of " + std::to_string(entry.tokens.size()) + " tokens could not be restored");
    }
    if (static_cast<int32_t>(entry.tokens.size()) > n_tokens) {
        llama_memory_seq_rm(llama_get_memory(context_.get()), sequence, n_tokens, -1);
    }
}

void Decoder::decode(const std::vector<Slice> & slices) {
    fill(slices);
    hidden_.clear();
    unknown_shape_.clear();
    out_of_memory_ = false;
    if (matmul_) {
        matmul_->begin_graph();
    }
    take_errors();
    const int32_t status = llama_decode(context_.get(), batch_.get());
    if (out_of_memory_) {
        throw Error(ErrorCode::out_of_memory, "no memory for the threads of a decode");
    }
    if (status != 0) {
        const std::string reason = take_errors();
        throw Error(tell_of_missing_memory(reason) ? ErrorCode::out_of_memory : ErrorCode::engine_error,
                    "llama_decode returned " + std::to_string(status) + (reason.empty() ? "" : ": " + reason));
    }
    if (!unknown_shape_.empty()) {
        throw Error(ErrorCode::engine_error, "the shape of its " + unknown_shape_ + " is not supported here");
    }
    const auto   n_outputs = static_cast<size_t>(std::count(batch_.outputs.begin(), batch_.outputs.end(), 1));
    const auto   n_embd    = static_cast<size_t>(llama_model_n_embd(llama_get_model(context_.get())));
    const size_t expected  = n_outputs * n_embd;
    if (n_outputs > 0 && hidden_.size() != expected) {
        throw Error(ErrorCode::engine_error, "the decode gave " + std::to_string(hidden_.size()) +
                                                 " numbers of hidden states instead of " + std::to_string(expected));
    }
}

std::vector<uint8_t> Decoder::save_prefix(size_t slice, int32_t n_tokens) {
    const llama_seq_id sequence = batch_.slice_sequences[slice];
    llama_memory_seq_rm(llama_get_memory(context_.get()), sequence, n_tokens, -1);
    std::vector<uint8_t> state(llama_state_seq_get_size(context_.get(), sequence));
    if (llama_state_seq_get_data(context_.get(), state.data(), state.size(), sequence) != state.size()) {
        state.clear();
    }
    return state;
}

void Decoder::free_sequences() {
    if (!partial_) {
        reset();
        return;
    }
    free_sequences_.clear();
    for (llama_seq_id sequence = options_.n_seq_max; sequence >= 0; --sequence) {
        if (sequence != partial_->sequence) {
            llama_memory_seq_rm(llama_get_memory(context_.get()), sequence, -1, -1);
            if (sequence < options_.n_seq_max) {  // the last one is for throw-away tokens
                free_sequences_.push_back(sequence);
            }
        }
    }
}

// Copies the hidden states of the score tokens, then ends the graph: the projection onto the vocabulary, which comes
// after this tensor, is never computed.
bool Decoder::on_eval(ggml_tensor * tensor, bool ask, void * user_data) {
    auto & decoder = *static_cast<Decoder *>(user_data);
    if (ask) {
        try {
            if ((decoder.attention_ && !decoder.attention_->replace(tensor)) ||
                (decoder.matmul_ && !decoder.matmul_->replace(tensor))) {
                decoder.unknown_shape_ = ggml_op_name(tensor->op);
            }
        } catch (const std::bad_alloc &) {
            decoder.out_of_memory_ = true;  // llama.cpp is between this and decode(), which throws
        }
        return std::strcmp(tensor->name, "result_norm") == 0;
    }
    try {
        decoder.hidden_.resize(static_cast<size_t>(ggml_nelements(tensor)));
        ggml_backend_tensor_get(tensor, decoder.hidden_.data(), 0, ggml_nbytes(tensor));
    } catch (const std::bad_alloc &) {
        decoder.out_of_memory_ = true;
    }
    return false;
}

}  // namespace jina_reranker
