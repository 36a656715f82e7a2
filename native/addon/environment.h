#pragma once

// What one JavaScript environment (the main thread or a worker) holds: its hand-off, its living engines, its log sink.
// Stored as the addon's instance data; torn down on the process's `exit` event or by a clean-up hook (L3).

#include "backend.h"
#include "engine.h"
#include "hand-off.h"

#include <napi.h>

#include <memory>
#include <vector>

namespace jina_reranker {

class Environment {
  public:
    explicit Environment(Napi::Env env);

    static Environment & of(Napi::Env env);

    HandOff & hand_off() { return hand_off_; }

    Napi::FunctionReference & engine_constructor() { return engine_constructor_; }

    // Remembered so that it is stopped when the environment goes away.
    void add_engine(const std::shared_ptr<Engine> & engine);

    // An undefined sink stops the log.
    void set_log_sink(const Napi::Value & sink);

  private:
    // May run twice.
    void tear_down();

    HandOff                            hand_off_;
    Napi::FunctionReference            engine_constructor_;
    Napi::FunctionReference            log_sink_;
    std::unique_ptr<LogRegistration>   log_registration_;
    std::vector<std::weak_ptr<Engine>> engines_;
};

}  // namespace jina_reranker
