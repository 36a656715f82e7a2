#include "environment.h"

#include "error.h"
#include "guard.h"

#include <algorithm>

namespace jina_reranker {

namespace {

const char * level_name(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return "debug";
        case LogLevel::info:
            return "info";
        case LogLevel::warn:
            return "warn";
        case LogLevel::error:
            return "error";
    }
    return "info";
}

}  // namespace

Environment::Environment(Napi::Env env) : hand_off_(env) {
    env.AddCleanupHook([this] { tear_down(); });
    const Napi::Object process = env.Global().Get("process").As<Napi::Object>();
    process.Get("once").As<Napi::Function>().Call(
        process, { Napi::String::New(env, "exit"), Napi::Function::New(env, [this](const Napi::CallbackInfo & info) {
                       guard(info.Env(), [this] { tear_down(); });
                   }) });
}

Environment & Environment::of(Napi::Env env) {
    return *env.GetInstanceData<Environment>();
}

void Environment::add_engine(const std::shared_ptr<Engine> & engine) {
    engines_.erase(std::remove_if(engines_.begin(), engines_.end(), [](const auto & weak) { return weak.expired(); }),
                   engines_.end());
    engines_.push_back(engine);
}

void Environment::set_log_sink(const Napi::Value & sink) {
    if (!sink.IsUndefined() && !sink.IsFunction()) {
        throw Error(ErrorCode::invalid_argument, "sink: expected a function or undefined");
    }
    log_registration_.reset();
    if (sink.IsUndefined()) {
        log_sink_.Reset();
        return;
    }
    log_sink_         = Napi::Persistent(sink.As<Napi::Function>());
    log_registration_ = add_log_sink([this](LogLevel level, const std::string & line) {
        hand_off_.post([this, level, line](Napi::Env env) {
            if (!log_sink_.IsEmpty()) {
                log_sink_.Call({ Napi::String::New(env, level_name(level)), Napi::String::New(env, line) });
            }
        });
    });
}

void Environment::tear_down() {
    hand_off_.start_closing();
    for (const auto & weak : engines_) {
        if (const auto engine = weak.lock()) {
            try {
                engine->abort();
            } catch (...) {  // nobody is left to be told but the log
                log_line(LogLevel::error, std::string("an engine could not be stopped: ") + current_error().what());
            }
        }
    }
    log_registration_.reset();
    hand_off_.close();
}

}  // namespace jina_reranker
