#pragma once

// One request in the engine.

#include "error.h"
#include "pair-loads.h"
#include "types.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace jina_reranker {

using Clock = std::chrono::steady_clock;

using PairId = std::pair<uint64_t, uint32_t>;  // job, and index of the document in it

// Exactly one of the two is set.
struct JobOutcome {
    std::optional<ScoreResult> result;
    std::optional<Error>       error;
};

using JobCallback = std::function<void(JobOutcome)>;

struct Job {
    // deduplicate: documents with the same text are computed once.
    Job(ScoreRequest request, JobCallback on_done, bool deduplicate);

    uint64_t     id = 0;
    ScoreRequest request;
    JobCallback  on_done;
    ScoreResult  result;
    size_t       n_tokenized = 0;      // of the distinct documents, those given to a tokenizer
    size_t       n_done      = 0;      // pairs that are scored or kept
    bool         query_given = false;  // to the engine thread, as an image that has to be encoded
    Load         waiting;              // not yet computed, estimated where not yet counted

    std::atomic<bool> settled{ false };  // tells a tokenizer at work on it to give up

    std::vector<uint32_t> distinct;  // indices of documents, each the first of its text; only these are computed
    std::vector<uint32_t> first_of;  // [document]: index of the first with the same text

    Clock::time_point                submitted;
    std::optional<Clock::time_point> first_batch;
};

using JobPtr = std::shared_ptr<Job>;

}  // namespace jina_reranker
