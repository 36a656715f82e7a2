#pragma once

// The `Engine` class of binding.d.ts: each of its objects holds one engine of native/engine. Results come through the
// environment's HandOff. JavaScript thread; the lifetime rules L1 to L5 are in hand-off.h.

#include "engine.h"
#include "guard.h"

#include <napi.h>

#include <memory>

namespace jina_reranker {

class EngineWrap : public Napi::ObjectWrap<EngineWrap> {
  public:
    static Napi::Function define(Napi::Env env);

    // Takes the handle that start_loading() makes; throws invalid_argument for anything else.
    explicit EngineWrap(const Napi::CallbackInfo & info);

    // ObjectWrap calls these two by name: `this` of a method call, and `Engine()` without new. Both throw invalid_argument.
    static EngineWrap * Unwrap(Napi::Object object);
    static Napi::Value  OnCalledAsFunction(const Napi::CallbackInfo & info);

  private:
    using ResultToJs = Napi::Object (*)(Napi::Env env, const ScoreResult & result);

    struct Job {
        uint64_t     id = 0;
        Napi::Object object;  // has `result`
    };

    Job  start(Napi::Env env, ScoreRequest request, ResultToJs result_to_js);
    void set_method(Job & job, const char * name, bool (Engine::*method)(uint64_t)) const;

    template <Napi::Value (EngineWrap::*method)(const Napi::CallbackInfo &)>
    Napi::Value guarded(const Napi::CallbackInfo & info) {
        return guard(info.Env(), [&] { return (this->*method)(info); });
    }

    static Napi::Value load(const Napi::CallbackInfo & info);
    static void        start_loading(const Napi::CallbackInfo & info, const Napi::Promise::Deferred & deferred);

    Napi::Value info(const Napi::CallbackInfo & info);
    Napi::Value submit(const Napi::CallbackInfo & info);
    Napi::Value keep(const Napi::CallbackInfo & info);
    Napi::Value tokenize_pair(const Napi::CallbackInfo & info);
    Napi::Value tokenize(const Napi::CallbackInfo & info);
    Napi::Value stats(const Napi::CallbackInfo & info);
    Napi::Value close(const Napi::CallbackInfo & info);

    std::shared_ptr<Engine> engine_;
};

}  // namespace jina_reranker
