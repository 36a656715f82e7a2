#include "engine-wrap.h"

#include "arguments.h"
#include "environment.h"
#include "guard.h"
#include "results.h"

#include <optional>
#include <utility>

namespace jina_reranker {

namespace {

using EnginePtr = std::shared_ptr<Engine>;

constexpr float kProgressStep = 0.01f;  // of the whole; finer steps would only cost messages

struct Loading {
    EngineOptions           options;
    HeadWeights             head;
    EnginePtr               engine;
    std::optional<Error>    error;
    Napi::FunctionReference on_progress;
};

}  // namespace

Napi::Function EngineWrap::define(Napi::Env env) {
    Napi::Function constructor =
        DefineClass(env, "Engine",
                    {
                        StaticMethod<&EngineWrap::load>("load"),
                        InstanceAccessor<&EngineWrap::guarded<&EngineWrap::info>>("info"),
                        InstanceMethod<&EngineWrap::guarded<&EngineWrap::submit>>("submit"),
                        InstanceMethod<&EngineWrap::guarded<&EngineWrap::tokenize_pair>>("tokenizePair"),
                        InstanceMethod<&EngineWrap::guarded<&EngineWrap::tokenize>>("tokenize"),
                        InstanceMethod<&EngineWrap::guarded<&EngineWrap::stats>>("stats"),
                        InstanceMethod<&EngineWrap::guarded<&EngineWrap::close>>("close"),
                    });
    Environment::of(env).engine_constructor() = Napi::Persistent(constructor);
    return constructor;
}

EngineWrap::EngineWrap(const Napi::CallbackInfo & info) : Napi::ObjectWrap<EngineWrap>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
        throw to_js_error(info.Env(),
                          Error(ErrorCode::invalid_argument, "an engine is made with Engine.load(options)"));
    }
    engine_ = *info[0].As<Napi::External<EnginePtr>>().Data();
}

Napi::Value EngineWrap::load(const Napi::CallbackInfo & info) {
    return promise(info.Env(), [&](const Napi::Promise::Deferred & deferred) { start_loading(info, deferred); });
}

void EngineWrap::start_loading(const Napi::CallbackInfo & info, const Napi::Promise::Deferred & deferred) {
    HandOff &  hand_off = Environment::of(info.Env()).hand_off();
    const auto loading  = std::make_shared<Loading>();
    loading->options    = parse_engine_options(info[0]);
    loading->head       = parse_head(info[0].As<Napi::Object>().Get("head"));
    if (info[1].IsFunction()) {
        loading->on_progress = Napi::Persistent(info[1].As<Napi::Function>());
    } else if (!info[1].IsUndefined()) {
        throw Error(ErrorCode::invalid_argument, "onProgress: expected a function or undefined");
    }

    const auto work = [loading, &hand_off] {
        float last_reported = -1.0f;
        try {
            loading->engine = std::make_shared<Engine>(loading->options, loading->head, [&](float fraction) {
                if (!loading->on_progress.IsEmpty() &&
                    (fraction >= last_reported + kProgressStep || fraction >= 1.0f)) {
                    last_reported = fraction;
                    hand_off.post([loading, fraction](Napi::Env current) {
                        loading->on_progress.Call({ Napi::Number::New(current, fraction) });
                    });
                }
                return !hand_off.closing();
            });
        } catch (...) {
            loading->error = current_error();
        }
        if (hand_off.closing()) {
            loading->engine.reset();  // L3: nobody will stop it later
        }
    };
    hand_off.run(info.Env(), work, [loading, deferred](Napi::Env current) {
        loading->on_progress.Reset();
        if (loading->error) {
            deferred.Reject(to_js_error(current, *loading->error).Value());
            return;
        }
        Environment & environment = Environment::of(current);
        environment.add_engine(loading->engine);
        EnginePtr engine = std::move(loading->engine);
        deferred.Resolve(environment.engine_constructor().New({ Napi::External<EnginePtr>::New(current, &engine) }));
    });
}

Napi::Value EngineWrap::info(const Napi::CallbackInfo & info) {
    return to_js(info.Env(), engine_->info());
}

Napi::Value EngineWrap::submit(const Napi::CallbackInfo & info) {
    const Napi::Env env      = info.Env();
    HandOff &       hand_off = Environment::of(env).hand_off();
    const auto      deferred = Napi::Promise::Deferred::New(env);

    const uint64_t id = engine_->submit(parse_score_request(info[0]), [this, deferred, &hand_off](JobOutcome outcome) {
        const auto shared = std::make_shared<JobOutcome>(std::move(outcome));
        hand_off.post([this, deferred, shared, &hand_off](Napi::Env current) {
            hand_off.end(current);
            if (shared->result) {
                deferred.Resolve(to_js(current, *shared->result));
            } else {
                deferred.Reject(to_js_error(current, *shared->error).Value());
            }
            Unref();
        });
    });
    // The outcome is posted to this thread, so it cannot come before these: the process and the engine stay.
    hand_off.begin(env);
    Ref();

    Napi::Object job = Napi::Object::New(env);
    job.Set("result", deferred.Promise());
    job.Set("cancel", Napi::Function::New(
                          env,
                          [engine = std::weak_ptr<Engine>(engine_), id](const Napi::CallbackInfo & call) {
                              return guard(call.Env(), [&]() -> Napi::Value {
                                  const EnginePtr living = engine.lock();
                                  return Napi::Boolean::New(call.Env(), living && living->cancel(id));
                              });
                          },
                          "cancel"));
    return job;
}

Napi::Value EngineWrap::tokenize_pair(const Napi::CallbackInfo & info) {
    return to_js(info.Env(), engine_->tokenize_pair(parse_text(info[0], "query"), parse_text(info[1], "document")));
}

Napi::Value EngineWrap::tokenize(const Napi::CallbackInfo & info) {
    return to_js(info.Env(), engine_->tokenize(parse_text(info[0], "text")));
}

Napi::Value EngineWrap::stats(const Napi::CallbackInfo & info) {
    return to_js(info.Env(), engine_->stats());
}

Napi::Value EngineWrap::close(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    return promise(env, [&](const Napi::Promise::Deferred & deferred) {
        Environment::of(env).hand_off().run(env, deferred, [engine = engine_] { engine->close(); });
    });
}

}  // namespace jina_reranker
