#pragma once

// JavaScript values to the engine's structs, checked; anything wrong throws Error(invalid_argument) that names the
// field, what was expected and what came. JavaScript thread only.

#include "quantize.h"
#include "types.h"

#include <napi.h>

#include <string>
#include <vector>

namespace jina_reranker {

constexpr size_t kMostTextBytes = size_t{ 256 }
                                  << 20U;  // many times what a context holds; tokenizing takes ten times as many

EngineOptions            parse_engine_options(const Napi::Value & value);
QuantizeOptions          parse_quantize_options(const Napi::Value & value);
HeadWeights              parse_head(const Napi::Value & value);
ScoreRequest             parse_score_request(const Napi::Value & value);
ScoreRequest             parse_keep_request(const Napi::Value & value);
std::vector<std::string> parse_strings(const Napi::Value & value, const std::string & name);
std::string              parse_string(const Napi::Value & value, const std::string & name);
// A string of at most kMostTextBytes in UTF-8.
std::string              parse_text(const Napi::Value & value, const std::string & name);
// A whole number from lowest to highest.
int64_t parse_integer(const Napi::Value & value, const std::string & name, int64_t lowest, int64_t highest);

}  // namespace jina_reranker
