#pragma once

// What a state or a score on disk depends on besides tokens, as one number: files of another identity are not looked at. Any thread.

#include "model.h"
#include "types.h"

#include <cstdint>
#include <string>

namespace jina_reranker {

// Of a file's bytes. Reads all of it. Throws model_invalid when it cannot be read.
uint64_t file_digest(const std::string & path);

// Of the KV state: the model's file, the type of the state, and what computes it. Other instructions, devices or releases may give
// other last bits.
uint64_t state_identity(const Model & model, const EngineOptions & options);

uint64_t score_identity(uint64_t state, const HeadWeights & head);

}  // namespace jina_reranker
