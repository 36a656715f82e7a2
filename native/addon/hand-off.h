#pragma once

// How native threads reach JavaScript: one typed thread-safe function per environment, and the threads of one-off work.
// Lifetime rules; other files refer to them by number:
//  L1. post() may be called from any thread at any time. Once the environment goes away, messages are dropped unrun.
//  L2. The process stays alive while work is in flight: begin() and end(), on the JavaScript thread, keep the function
//      referenced from the first to the last.
//  L3. The clean-up hook runs before Node frees the function, because it was added later (hooks run last in, first out):
//      first engines stop and threads are joined, then the function is released. No native thread outlives this.
//      process.exit() runs no clean-up hooks and goes straight to destroying what the libraries hold, which a thread in
//      a decode would still use: the same is done on the `exit` event, which comes first.
//  L4. JavaScript values are made and released on the JavaScript thread only. A message may own some: one that was dropped
//      is kept until close() destroys it there.

#include <napi.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace jina_reranker {

class HandOff {
  public:
    using Message = std::function<void(Napi::Env)>;

    explicit HandOff(Napi::Env env);

    void begin(Napi::Env env);
    void end(Napi::Env env);

    void post(Message message);

    // Runs work, which must not throw, on a thread of its own; `done` follows on the JavaScript thread after the thread was
    // joined. Throws engine_error when no thread can be started.
    void run(Napi::Env env, std::function<void()> work, Message done);

    // The same, with what it throws rejecting the promise, which resolves to undefined otherwise.
    void run(Napi::Env env, const Napi::Promise::Deferred & deferred, std::function<void()> work);

    // True once the environment is going away: long work should give up.
    bool closing() const;

    // Marks the environment as going away (L1).
    void start_closing();
    // Joins threads and releases the function (L3). May run twice.
    void close();

  private:
    static void call(Napi::Env env, Napi::Function callback, HandOff * self, Message * message);

    using Function = Napi::TypedThreadSafeFunction<HandOff, Message, call>;

    Function                              function_;
    mutable std::mutex                    mutex_;
    bool                                  released_    = false;
    bool                                  closing_     = false;
    uint64_t                              n_in_flight_ = 0;
    uint64_t                              last_thread_ = 0;
    std::map<uint64_t, std::thread>       threads_;
    std::vector<std::unique_ptr<Message>> dropped_;
};

}  // namespace jina_reranker
