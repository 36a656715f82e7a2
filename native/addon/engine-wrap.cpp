#include "engine-wrap.h"

#include "arguments.h"
#include "environment.h"
#include "guard.h"
#include "results.h"

#include <optional>
#include <utility>

namespace jina_reranker {

namespace {

using EnginePtr    = std::shared_ptr<Engine>;
using EngineHandle = Napi::External<EnginePtr>;

// Random numbers. They tell our values from those of other addons, whose pointers would be taken for ours.
constexpr napi_type_tag kEngineTag       = { 0x1d6c1f3f0e5b4a8dU, 0xb2a97c40e86d1f35U };
constexpr napi_type_tag kEngineHandleTag = { 0x8f0b6ad4c3e94217U, 0x9ce5d8127ab3460eU };

constexpr float kProgressStep = 0.01f;  // of the whole: a finer step would only cost messages

struct Loading {
    EngineOptions           options;
    HeadWeights             head;
    EnginePtr               engine;
    std::optional<Error>    error;
    Napi::FunctionReference on_progress;
};

Error not_an_engine() {
    return { ErrorCode::invalid_argument, "an engine is made with Engine.load(options)" };
}

}  // namespace

Napi::Function EngineWrap::define(Napi::Env env) {
    Napi::Function constructor =
        DefineClass(env, "Engine",
                    {
                        StaticMethod<&EngineWrap::load>("load"),
                        InstanceAccessor<&EngineWrap::guarded<&EngineWrap::info>>("info"),
                        InstanceMethod<&EngineWrap::guarded<&EngineWrap::submit>>("submit"),
                        InstanceMethod<&EngineWrap::guarded<&EngineWrap::keep>>("keep"),
                        InstanceMethod<&EngineWrap::guarded<&EngineWrap::tokenize_pair>>("tokenizePair"),
                        InstanceMethod<&EngineWrap::guarded<&EngineWrap::tokenize>>("tokenize"),
                        InstanceMethod<&EngineWrap::guarded<&EngineWrap::stats>>("stats"),
                        InstanceMethod<&EngineWrap::guarded<&EngineWrap::close>>("close"),
                    });
    Environment::of(env).engine_constructor() = Napi::Persistent(constructor);
    return constructor;
}

EngineWrap * EngineWrap::Unwrap(Napi::Object object) {
    if (!object.CheckTypeTag(&kEngineTag)) {
        throw to_js_error(object.Env(), not_an_engine());
    }
    return Napi::ObjectWrap<EngineWrap>::Unwrap(object);
}

Napi::Value EngineWrap::OnCalledAsFunction(const Napi::CallbackInfo & info) {
    throw to_js_error(info.Env(), not_an_engine());
}

// private constructor()
EngineWrap::EngineWrap(const Napi::CallbackInfo & info) : Napi::ObjectWrap<EngineWrap>(info) {
    if (!info[0].IsExternal() || !info[0].As<EngineHandle>().CheckTypeTag(&kEngineHandleTag)) {
        throw to_js_error(info.Env(), not_an_engine());
    }
    engine_ = *info[0].As<EngineHandle>().Data();
    info.This().As<Napi::Object>().TypeTag(&kEngineTag);
}

// static load(options: EngineOptions, onProgress?: (fraction: number) => void): Promise<Engine>
Napi::Value EngineWrap::load(const Napi::CallbackInfo & info) {
    return promise(info.Env(), [&](const Napi::Promise::Deferred & deferred) { start_loading(info, deferred); });
}

void EngineWrap::start_loading(const Napi::CallbackInfo & info, const Napi::Promise::Deferred & deferred) {
    Environment & environment = Environment::of(info.Env());
    HandOff &     hand_off    = environment.hand_off();
    const auto    loading     = std::make_shared<Loading>();
    loading->options          = parse_engine_options(info[0]);
    loading->head             = parse_head(info[0].As<Napi::Object>().Get("head"));
    if (info[1].IsFunction()) {
        loading->on_progress = Napi::Persistent(info[1].As<Napi::Function>());
    } else if (!info[1].IsUndefined()) {
        throw Error(ErrorCode::invalid_argument, "onProgress: expected a function or undefined");
    }

    const auto work = [loading, &environment, &hand_off] {
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
            if (!environment.add_engine(loading->engine)) {
                loading->engine.reset();  // L3
            }
        } catch (...) {
            loading->error = current_error();
        }
    };
    environment.run(info.Env(), work, [loading, deferred, &environment](Napi::Env current) {
        loading->on_progress.Reset();
        settle(current, deferred, [&] {
            if (loading->error) {
                throw Error(*loading->error);
            }
            EnginePtr          engine = std::move(loading->engine);
            const EngineHandle handle = EngineHandle::New(current, &engine);
            handle.TypeTag(&kEngineHandleTag);
            return environment.engine_constructor().New({ handle });
        });
    });
}

// readonly info: EngineInfo
Napi::Value EngineWrap::info(const Napi::CallbackInfo & info) {
    return to_js(info.Env(), engine_->info());
}

EngineWrap::Job EngineWrap::start(Napi::Env env, ScoreRequest request, ResultToJs result_to_js) {
    HandOff &  hand_off = Environment::of(env).hand_off();
    const auto deferred = Napi::Promise::Deferred::New(env);

    const uint64_t id = engine_->submit(std::move(request), [=, &hand_off](JobOutcome outcome) {
        const auto shared = std::make_shared<JobOutcome>(std::move(outcome));
        hand_off.post([=, &hand_off](Napi::Env current) {
            hand_off.end(current);
            settle(current, deferred, [&] {
                if (shared->error) {
                    throw Error(*shared->error);
                }
                return result_to_js(current, *shared->result);
            });
            Unref();
        });
    });
    // The outcome is a message to this thread, so it cannot come before these: they keep the process (L2) and this object.
    hand_off.begin(env);
    Ref();

    Napi::Object job = Napi::Object::New(env);
    job.Set("result", deferred.Promise());
    return { id, job };
}

void EngineWrap::set_method(Job & job, const char * name, bool (Engine::*method)(uint64_t)) const {
    const auto call = [engine = std::weak_ptr<Engine>(engine_), id = job.id, method](const Napi::CallbackInfo & info) {
        return guard(info.Env(), [&]() -> Napi::Value {
            const EnginePtr living = engine.lock();
            return Napi::Boolean::New(info.Env(), living && (living.get()->*method)(id));
        });
    };
    job.object.Set(name, Napi::Function::New(job.object.Env(), call, name));
}

// submit(request: ScoreRequest): ScoreJob
Napi::Value EngineWrap::submit(const Napi::CallbackInfo & info) {
    Job job = start(info.Env(), parse_score_request(info[0]), score_to_js);
    // cancel(): boolean
    set_method(job, "cancel", &Engine::cancel);
    // stop(): boolean
    set_method(job, "stop", &Engine::stop);
    return job.object;
}

// keep(request: KeepRequest): KeepJob
Napi::Value EngineWrap::keep(const Napi::CallbackInfo & info) {
    Job job = start(info.Env(), parse_keep_request(info[0]), keep_to_js);
    set_method(job, "cancel", &Engine::cancel);
    return job.object;
}

// tokenizePair(query: string, document: string, instruction?: string): PromptTokens
Napi::Value EngineWrap::tokenize_pair(const Napi::CallbackInfo & info) {
    const std::string query       = parse_text(info[0], "query");
    const std::string document    = parse_text(info[1], "document");
    const std::string instruction = info[2].IsUndefined() ? "" : parse_text(info[2], "instruction");
    return to_js(info.Env(), engine_->tokenize_pair(query, document, instruction));
}

// tokenize(text: string): Int32Array
Napi::Value EngineWrap::tokenize(const Napi::CallbackInfo & info) {
    return to_js(info.Env(), engine_->tokenize(parse_text(info[0], "text")));
}

// stats(): EngineStats
Napi::Value EngineWrap::stats(const Napi::CallbackInfo & info) {
    return to_js(info.Env(), engine_->stats());
}

// close(): Promise<void>
Napi::Value EngineWrap::close(const Napi::CallbackInfo & info) {
    const Napi::Env env         = info.Env();
    Environment &   environment = Environment::of(env);
    return promise(env, [&](const Napi::Promise::Deferred & deferred) {
        if (environment.hand_off().closing()) {  // the engine was stopped (L3), and no thread starts any more
            deferred.Resolve(env.Undefined());
            return;
        }
        environment.run(env, deferred, [engine = engine_] { engine->close(); });
    });
}

}  // namespace jina_reranker
