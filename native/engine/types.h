#pragma once

// Plain structs that cross the engine's border. No llama.cpp and no Node types, so that the addon and the tests can
// build them freely.

#include "image.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace jina_reranker {

enum class Backend { automatic, cpu, cuda, metal, vulkan };
enum class Reproducible { automatic, exact, fast };
enum class KvType { f16, f32, q8_0 };
enum class CutAt { end, start, never };

// logit = relu(h · w1 + b1) · w2 + b2 − logit_bias
struct HeadWeights {
    std::vector<float> w1;  // [n_embd][n_embd], row-major: w1[i * n_embd + j] weighs input i for hidden unit j
    std::vector<float> b1;  // [n_embd]
    std::vector<float> w2;  // [n_embd]
    float              b2         = 0.0f;
    float              logit_bias = 0.0f;
};

struct VisionLimits {
    int32_t max_tokens  = 768;  // of an image
    size_t  cache_bytes = 0;    // host memory for the embeddings of recent images; 0 = off
};

// A folder in which document states and scores outlive the process.
struct StoreLocation {
    std::string directory;  // empty = none
    uint64_t    max_bytes = 0;
};

struct EngineOptions {
    std::string   model_path;
    std::string   device;                       // ggml's name of it; empty = the first GPU, or the CPU without one
    int32_t       context_size         = 8192;  // tokens of a pair, score token included
    int32_t       batch_tokens         = 0;     // tokens in one batch; 0 = 512 on a CPU, 2048 on a GPU
    int32_t       n_gpu_layers         = 999;
    Backend       backend              = Backend::automatic;
    int32_t       n_threads            = 0;  // 0 = physical cores this process may run on
    Reproducible  reproducible         = Reproducible::automatic;
    KvType        kv_type              = KvType::f16;
    size_t        max_queued_pairs     = 2000;
    size_t        document_cache_bytes = 0;  // memory of the device for document prefixes; 0 = off
    size_t        score_cache_bytes    = 0;  // host memory for the scores of recent pairs; 0 = off
    StoreLocation document_store;
    bool          deduplicate = true;  // the same document twice in a request is computed once
    std::string   mmproj_path;         // of the vision tower; empty = images are refused
    VisionLimits  vision;
};

// What an engine takes of a device's memory, in bytes of ggml's buffers.
struct DeviceMemory {
    std::string device;       // ggml's name of it
    uint64_t    weights = 0;  // the score head's included
    uint64_t    pages   = 0;  // of KV state: of a batch, and of the document cache
    uint64_t    compute = 0;  // what the largest batch is computed in
    uint64_t    vision  = 0;  // the tower's weights, and what its largest image is computed in
};

struct VisionInfo {
    int32_t  max_tokens     = 0;  // of an image
    double   work_per_token = 0;  // of encoding, as TokenWork counts
    uint64_t size_bytes     = 0;
};

struct EngineInfo {
    std::string  architecture;
    std::string  description;
    uint64_t     n_params        = 0;
    uint64_t     size_bytes      = 0;
    int32_t      n_layer         = 0;
    int32_t      n_embd          = 0;
    double       attention_cells = 0;  // see TokenWork
    int32_t      n_vocab         = 0;
    int32_t      n_ctx_train     = 0;
    int32_t      score_token     = 0;
    int32_t      context_size    = 0;
    int32_t      batch_tokens    = 0;
    int32_t      n_threads       = 0;
    Reproducible reproducible    = Reproducible::exact;
    int32_t      n_seq_max       = 0;
    int32_t      n_gpu_layers    = 0;
    std::string  device;
    std::string  device_description;

    std::optional<VisionInfo> vision;  // none = images are refused
    std::vector<DeviceMemory> memory;  // the device's, and the CPU's where that computes as well
};

constexpr int32_t kLowestPriority = 999;

// What may be cut from a document, and where.
struct Cut {
    int32_t max_tokens = 0;           // of the document; 0 = as many as fit the context
    CutAt   at         = CutAt::end;  // never: a document that would have to be cut is an error
};

struct ScoreRequest {
    // None = no score is asked for: each document is computed up to where a query would begin, and its state is kept.
    std::optional<Content> query;
    std::vector<Content>   documents;  // at least one
    Cut                    cut;
    int32_t     priority = 0;  // 0 to kLowestPriority; while others wait, 1 / (1 + priority) of the share of 0
    std::string instruction;   // a line before the document's heading; empty = none
};

struct ScoreResult {
    std::vector<float>    scores;         // [n_documents], in (0, 1); NaN = unscored; empty where no score is asked for
    std::vector<float>    logits;         // likewise
    std::vector<uint32_t> prompt_tokens;  // [n_documents], score token included; 0 = unscored
    std::vector<uint32_t> dropped_tokens;   // [n_documents], 0 = whole
    std::vector<uint32_t> unscored;         // documents that stop() left without a score, ascending
    uint64_t              n_computed  = 0;  // tokens that went through the model
    uint64_t              n_reused    = 0;  // tokens not computed because a cache had what they give
    uint64_t              n_encoded   = 0;  // images that went through the vision tower
    uint64_t              n_stored    = 0;  // documents whose state is on disk, or that are too short to have one
    double                queue_ms    = 0;
    double                tokenize_ms = 0;
    double                compute_ms  = 0;
    double                total_ms    = 0;
};

struct EngineStats {
    uint64_t jobs_submitted  = 0;
    uint64_t jobs_completed  = 0;
    uint64_t jobs_failed     = 0;
    uint64_t jobs_cancelled  = 0;
    uint64_t pairs_scored    = 0;
    uint64_t pairs_dropped   = 0;
    uint64_t documents_kept  = 0;  // of requests without a query: computed, or known
    uint64_t pairs_queued    = 0;
    uint64_t tokens_queued   = 0;  // of those pairs, not yet through the model
    double   work_queued     = 0;  // what those tokens cost, as TokenWork counts
    double   work_done       = 0;  // what the others cost, had none come from a cache
    uint64_t tokens_computed = 0;
    uint64_t tokens_padding  = 0;
    uint64_t batches         = 0;
    uint64_t tokens_reused   = 0;
    uint64_t pairs_warm      = 0;  // scored behind a restored prefix
    uint64_t pairs_repeated  = 0;  // answered from the score cache
    uint64_t cache_bytes     = 0;
    uint64_t cache_entries   = 0;
    uint64_t images_encoded  = 0;
    double   image_encode_ms = 0;
    uint64_t images_reused   = 0;  // needed, and their embeddings were known
    uint64_t image_bytes     = 0;  // of the embeddings kept
    uint64_t image_entries   = 0;
    uint64_t states_restored = 0;  // of documents, read from disk
    uint64_t states_stored   = 0;  // written
    uint64_t store_failures  = 0;  // files that could not be read or written, or were wrong
    uint64_t store_bytes     = 0;  // of the folder when it was counted last, and what was written since
};

}  // namespace jina_reranker
