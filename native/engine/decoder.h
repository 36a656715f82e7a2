#pragma once

// The llama_context and what lies in its KV cache. Lays a plan out as one batch, decodes it, and hands out the hidden
// states of the score tokens; copies document prefixes out of the KV cache and back into it. Engine thread only.

#include "attention.h"
#include "batch-planner.h"
#include "document-cache.h"
#include "llama-cpp.h"
#include "matmul.h"
#include "threads.h"
#include "types.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace jina_reranker {

struct DecoderOptions {
    int32_t        context_size;  // tokens of the longest pair
    int32_t        batch_tokens;  // a multiple of the alignment
    int32_t        n_seq_max;     // pairs in one decode
    bool           exact;         // what a pair gives does not depend on the batch
    int32_t        alignment;     // tokens a slice starts at a multiple of, where exactness needs it; 1 = none
    int32_t        n_threads;
    FlashAttention flash_attention;
    bool           own_attention;  // Attention takes the place of flash attention, which is then on
    bool           own_matmul;     // MatMul takes the place of ggml's products; needs weights that lie as in the file
    KvType         kv_type;
};

class Decoder {
  public:
    // One slice of a plan, and the pair it belongs to.
    struct Slice {
        PlannedSlice                     plan;
        const std::vector<llama_token> * tokens;  // the whole pair's
        const DocumentCache::Entry *     cached;  // set where plan.restored
    };

    // Throw-away tokens that a decode may have on top of a plan's.
    static int32_t n_fill(const DecoderOptions & options);

    // KV cells a context has: the partial pair's, at most a whole pair, and one more batch.
    static int32_t n_cells(const DecoderOptions & options);

    // Throws out_of_memory, and model_invalid where the model cannot be computed here. thread_pool and abort stay alive; a decode on the CPU ends early once
    // abort is true.
    Decoder(llama_model *             model,
            llama_token               padding_token,
            DecoderOptions            options,
            const ThreadPool &        thread_pool,
            const std::atomic<bool> & abort);

    Decoder(const Decoder &)             = delete;
    Decoder & operator=(const Decoder &) = delete;
    Decoder(Decoder &&)                  = delete;
    Decoder & operator=(Decoder &&)      = delete;
    ~Decoder();

    // Decodes one plan's slices. Throws engine_error or out_of_memory; what is in the KV cache is then unknown: call reset.
    void decode(const std::vector<Slice> & slices);

    // Of the last decode: hidden states of its outputs, row-major [n_outputs][n_embd], f32; the row of a slice's score
    // token, -1 when it holds none; throw-away tokens computed.
    const std::vector<float> & hidden() const { return hidden_; }

    int32_t output_row(size_t slice) const { return batch_.output_rows[slice]; }

    int32_t n_padding() const { return batch_.n_padding; }

    // The KV state of the first n_tokens tokens of a slice of the last decode, as llama.cpp writes it; empty when it
    // could not be had. What comes behind them is dropped.
    std::vector<uint8_t> save_prefix(size_t slice, int32_t n_tokens);

    // Frees the cells of everything but the partial pair, so that its continuation lies right behind it.
    void free_sequences();

    // Empties the KV cache; every sequence is free.
    void reset();

    // The job whose pair is partly decoded.
    std::optional<uint64_t> partial_job() const;

  private:
    struct Batch {
        std::vector<llama_token>    tokens;
        std::vector<llama_pos>      positions;
        std::vector<llama_seq_id>   sequences;
        std::vector<int8_t>         outputs;
        std::vector<int32_t>        n_sequences;
        std::vector<llama_seq_id *> sequence_pointers;
        std::vector<int32_t>        output_rows;      // [slice]
        std::vector<llama_seq_id>   slice_sequences;  // [slice]
        int32_t                     n_padding = 0;

        void        add(llama_token token, llama_pos position, llama_seq_id sequence, bool output);
        llama_batch get();
    };

    struct Partial {
        uint64_t     job;
        llama_seq_id sequence;
    };

    void         try_out();
    void         fill(const std::vector<Slice> & slices);
    llama_seq_id take_sequence(const PlannedSlice & slice);
    void         restore(llama_seq_id sequence, const DocumentCache::Entry & entry, int32_t n_tokens);

    static bool on_eval(ggml_tensor * tensor, bool ask, void * user_data);

    DecoderOptions             options_;
    llama_token                padding_token_;
    const std::atomic<bool> &  abort_;
    Turns                      turns_;
    std::unique_ptr<Attention> attention_;
    std::unique_ptr<MatMul>    matmul_;
    std::string                unknown_shape_;  // of the last decode: an operation that neither of them can compute
    bool                       out_of_memory_ = false;  // for what they need
    llama_context_ptr          context_;
    Batch                      batch_;
    std::vector<float>         hidden_;
    std::vector<llama_seq_id>  free_sequences_;
    std::optional<Partial>     partial_;
};

}  // namespace jina_reranker
