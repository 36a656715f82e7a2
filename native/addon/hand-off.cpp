#include "hand-off.h"

#include "guard.h"

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

// Node calls it without an environment to get rid of messages that it will not run.
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

bool HandOff::closing() const {
    const std::lock_guard lock(mutex_);
    return closing_;
}

void HandOff::start_closing() {
    const std::lock_guard lock(mutex_);
    closing_ = true;
}

void HandOff::close() {
    dropped_.clear();
    if (!released_) {
        released_ = true;
        function_.Abort();
    }
}

}  // namespace jina_reranker
