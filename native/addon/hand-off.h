#pragma once

// How native threads reach JavaScript: the thread-safe function of an environment, and the count of work that keeps the process
// alive. The Environment owns it and everything else that rules L3 and L4 speak of.
//
// Lifetime rules; the addon's files refer to them by number:
//  L1. post() may be called on any thread, at any time. Once the environment is closing, messages are dropped without running.
//  L2. The process stays alive while work is in flight: begin() and end(), on the JavaScript thread, keep the function
//      referenced from the first piece of work to the last.
//  L3. No native thread works for the environment after it. Environment::close() stops every engine and joins every thread,
//      then releases the function. What would start a thread later is refused. Only the tokenizer threads live on, while
//      another environment has an engine.
//  L4. The environment closes before Node frees the function and before the libraries' static objects are destroyed. A clean-up
//      hook does it, which was added after the function's own and so runs before it (last in, first out). process.exit() runs
//      no hooks: there a listener of the process's `exit` event does it.
//  L5. JavaScript values are made and released on the JavaScript thread alone. A message may own some: one that is dropped is
//      kept until close() destroys it there.

#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace jina_reranker {

class HandOff {
  public:
    using Message = std::function<void(Napi::Env)>;

    explicit HandOff(Napi::Env env);

    // JavaScript thread (L2).
    void begin(Napi::Env env);
    void end(Napi::Env env);

    // Any thread: runs the message on the JavaScript thread, after those posted before it (L1).
    void post(Message message);

    // Any thread: true once the environment is closing.
    bool closing() const;

    // JavaScript thread: drops what is posted from now on (L1).
    void start_closing();
    // JavaScript thread, after the last native thread was joined: releases the function. Idempotent.
    void close();

  private:
    static void call(Napi::Env env, Napi::Function callback, HandOff * self, Message * message);

    using Function = Napi::TypedThreadSafeFunction<HandOff, Message, call>;

    Function                              function_;
    mutable std::mutex                    mutex_;  // of closing_ and dropped_
    bool                                  closing_ = false;
    std::vector<std::unique_ptr<Message>> dropped_;
    bool                                  released_    = false;
    uint64_t                              n_in_flight_ = 0;
};

}  // namespace jina_reranker
