#pragma once

// What one JavaScript environment (the main thread or a worker) owns of the addon: the hand-off, the threads of one-off work,
// the engines that have to be stopped with it, the log sink, and the Engine class. Node keeps it as the addon's instance data.
// JavaScript thread, unless a function says otherwise. The lifetime rules L1 to L5 are in hand-off.h.

#include "engine.h"
#include "hand-off.h"
#include "log.h"

#include <napi.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace jina_reranker {

class Environment {
  public:
    explicit Environment(Napi::Env env);

    static Environment & of(Napi::Env env);

    HandOff & hand_off() { return hand_off_; }

    Napi::FunctionReference & engine_constructor() { return engine_constructor_; }

    // Runs work, which must not throw, on a thread of its own. `done` follows on the JavaScript thread, after the thread was
    // joined. Throws closed once the environment is closing (L3), engine_error when no thread can be started.
    void run(Napi::Env env, std::function<void()> work, HandOff::Message done);

    // The same for work that may throw, which rejects the promise; otherwise it resolves to the result, none = undefined.
    void run(Napi::Env                             env,
             const Napi::Promise::Deferred &       deferred,
             std::function<void()>                 work,
             std::function<Napi::Value(Napi::Env)> result = nullptr);

    // Any thread. From now on the engine is stopped with the environment (L3). False when that is closing: nobody but the
    // caller stops the engine then.
    bool add_engine(const std::shared_ptr<Engine> & engine);

    // A function, or undefined to stop the log.
    void set_log_sink(const Napi::Value & sink);

  private:
    // Idempotent: the `exit` event and the clean-up hook both call it (L4).
    void close();

    HandOff                            hand_off_;
    std::map<uint64_t, std::thread>    threads_;  // until their `done` was called
    uint64_t                           last_thread_ = 0;
    std::mutex                         engines_mutex_;
    std::vector<std::weak_ptr<Engine>> engines_;
    Napi::FunctionReference            engine_constructor_;
    Napi::FunctionReference            log_sink_;
    std::unique_ptr<LogRegistration>   log_registration_;
};

}  // namespace jina_reranker
