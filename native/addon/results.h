#pragma once

// The engine's structs to JavaScript values, as binding.d.ts names them. JavaScript thread only.

#include "backend.h"
#include "error.h"
#include "prompt.h"
#include "quantize.h"
#include "types.h"

#include <napi.h>

#include <vector>

namespace jina_reranker {

// An Error object with a `code`.
Napi::Error  to_js_error(Napi::Env env, const Error & error);
Napi::Object to_js(Napi::Env env, const EngineInfo & info);
Napi::Array  to_js(Napi::Env env, const std::vector<DeviceMemory> & memory);
Napi::Object to_js(Napi::Env env, const WeightsInfo & info);
Napi::Object to_js(Napi::Env env, const EngineStats & stats);
// Of submit() and of keep().
Napi::Object score_to_js(Napi::Env env, const ScoreResult & result);
Napi::Object keep_to_js(Napi::Env env, const ScoreResult & result);
Napi::Object to_js(Napi::Env env, const Prompt & prompt);
Napi::Object to_js(Napi::Env env, const BackendsInfo & info);
Napi::Value  to_js(Napi::Env env, const std::vector<llama_token> & tokens);

}  // namespace jina_reranker
