#include "environment.h"

#include "error.h"
#include "guard.h"

#include <algorithm>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

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
    // After the hand-off, whose function adds a hook of its own (L4).
    env.AddCleanupHook([this] { close(); });
    const Napi::Object process = env.Global().Get("process").As<Napi::Object>();
    process.Get("once").As<Napi::Function>().Call(
        process, { Napi::String::New(env, "exit"), Napi::Function::New(env, [this](const Napi::CallbackInfo & info) {
                       guard(info.Env(), [this] { close(); });
                   }) });
}

Environment & Environment::of(Napi::Env env) {
    return *env.GetInstanceData<Environment>();
}

void Environment::run(Napi::Env env, std::function<void()> work, HandOff::Message done) {
    if (hand_off_.closing()) {
        throw Error(ErrorCode::closed, "the process, or its worker, is ending");
    }
    const uint64_t id     = ++last_thread_;
    const auto     thread = threads_.emplace(id, std::thread()).first;
    try {
        thread->second = std::thread([this, id, work = std::move(work), done = std::move(done)]() mutable {
            work();
            hand_off_.post([this, id, done = std::move(done)](Napi::Env current) {
                const auto ended = threads_.find(id);
                ended->second.join();
                threads_.erase(ended);
                hand_off_.end(current);
                done(current);
            });
        });
    } catch (const std::system_error & error) {
        threads_.erase(thread);
        throw Error(ErrorCode::engine_error, std::string("no thread could be started: ") + error.what());
    }
    hand_off_.begin(env);  // the message that ends it runs on this thread, so not before
}

void Environment::run(Napi::Env                             env,
                      const Napi::Promise::Deferred &       deferred,
                      std::function<void()>                 work,
                      std::function<Napi::Value(Napi::Env)> result) {
    const auto error   = std::make_shared<std::optional<Error>>();
    const auto careful = [work = std::move(work), error] {
        try {
            work();
        } catch (...) {
            *error = current_error();
        }
    };
    run(env, careful, [deferred, error, result = std::move(result)](Napi::Env current) {
        settle(current, deferred, [&] {
            if (*error) {
                throw Error(**error);
            }
            return result ? result(current) : current.Undefined();
        });
    });
}

bool Environment::add_engine(const std::shared_ptr<Engine> & engine) {
    const std::lock_guard lock(engines_mutex_);
    if (hand_off_.closing()) {
        return false;
    }
    engines_.erase(std::remove_if(engines_.begin(), engines_.end(), [](const auto & weak) { return weak.expired(); }),
                   engines_.end());
    engines_.push_back(engine);
    return true;
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

void Environment::close() {
    hand_off_.start_closing();  // first, so that no engine is added behind those that are stopped here
    {
        const std::lock_guard lock(engines_mutex_);
        for (const auto & weak : engines_) {
            if (const auto engine = weak.lock()) {
                try {
                    engine->abort();
                } catch (...) {  // nobody is left to be told but the log
                    log_line(LogLevel::error, std::string("an engine could not be stopped: ") + current_error().what());
                }
            }
        }
    }
    log_registration_.reset();
    for (auto & [id, thread] : threads_) {
        thread.join();
    }
    threads_.clear();
    hand_off_.close();
}

}  // namespace jina_reranker
