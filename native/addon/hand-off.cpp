#include "hand-off.h"

#include "guard.h"

#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace jina_reranker {

HandOff::HandOff(Napi::Env env) :
    function_(Function::New(env, "jina-reranker", /*maxQueueSize*/ 0, /*initialThreadCount*/ 1, this)) {
    function_.Unref(env);
}

void HandOff::begin(Napi::Env env) {
    if (n_in_flight_++ == 0) {
        function_.Ref(env);
    }
}

void HandOff::end(Napi::Env env) {
    if (--n_in_flight_ == 0) {
        function_.Unref(env);
    }
}

void HandOff::post(Message message) {
    auto                  owned = std::make_unique<Message>(std::move(message));
    const std::lock_guard lock(mutex_);
    if (!closing_ && function_.NonBlockingCall(owned.get()) == napi_ok) {
        static_cast<void>(owned.release());  // call() owns it now
    } else {
        dropped_.push_back(std::move(owned));
    }
}

void HandOff::call(Napi::Env env, Napi::Function /*callback*/, HandOff * /*self*/, Message * message) {
    const std::unique_ptr<Message> owned(message);
    if (static_cast<napi_env>(env) == nullptr) {
        return;
    }
    const Napi::HandleScope scope(env);
    try {
        (*owned)(env);
    } catch (const Napi::Error & error) {
        // A JavaScript callback threw: that is the caller's uncaught exception.
        napi_fatal_exception(env, error.Value());
    } catch (...) {
        napi_fatal_exception(env, to_js_error(env, current_error()).Value());
    }
}

void HandOff::run(Napi::Env env, std::function<void()> work, Message done) {
    const uint64_t id     = ++last_thread_;
    const auto     thread = threads_.emplace(id, std::thread()).first;
    try {
        thread->second = std::thread([this, id, work = std::move(work), done = std::move(done)]() mutable {
            work();
            post([this, id, done = std::move(done)](Napi::Env current) {
                const auto ended = threads_.find(id);
                ended->second.join();
                threads_.erase(ended);
                end(current);
                done(current);
            });
        });
    } catch (const std::system_error & error) {
        threads_.erase(thread);
        throw Error(ErrorCode::engine_error, std::string("no thread could be started: ") + error.what());
    }
    begin(env);  // `done` comes to this thread, so not before
}

void HandOff::run(Napi::Env env, const Napi::Promise::Deferred & deferred, std::function<void()> work) {
    const auto error   = std::make_shared<std::optional<Error>>();
    const auto careful = [work = std::move(work), error] {
        try {
            work();
        } catch (...) {
            *error = current_error();
        }
    };
    run(env, careful, [deferred, error](Napi::Env current) {
        if (*error) {
            deferred.Reject(to_js_error(current, **error).Value());
        } else {
            deferred.Resolve(current.Undefined());
        }
    });
}

bool HandOff::closing() const {
    const std::lock_guard lock(mutex_);
    return closing_;
}

void HandOff::start_closing() {
    const std::lock_guard lock(mutex_);
    closing_ = true;
}

void HandOff::close() {
    for (auto & [id, thread] : threads_) {
        thread.join();
    }
    threads_.clear();
    dropped_.clear();
    if (!released_) {
        released_ = true;
        function_.Abort();
    }
}

}  // namespace jina_reranker
