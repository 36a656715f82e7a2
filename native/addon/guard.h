#pragma once

// Turns exceptions into JavaScript errors with a code, at the border: whatever JavaScript calls, and every message of a native
// thread that settles a promise, runs inside a function of this file. JavaScript thread, but for current_error().

#include "error.h"
#include "results.h"

#include <napi.h>

#include <new>
#include <stdexcept>
#include <utility>

namespace jina_reranker {

// The exception in flight as an Error; for use inside a catch block. Any thread.
inline Error current_error() {
    try {
        throw;
    } catch (const Error & error) {
        return error;
    } catch (const std::bad_alloc &) {
        return { ErrorCode::out_of_memory, "out of memory" };
    } catch (const std::length_error &) {
        return { ErrorCode::out_of_memory, "out of memory: longer than can be held" };
    } catch (const std::exception & error) {
        return { ErrorCode::engine_error, error.what() };
    } catch (...) {
        return { ErrorCode::engine_error, "something was thrown that is no error" };
    }
}

// Calls a function; what it throws becomes a NativeError. What JavaScript code inside it threw is passed on as it is.
template <typename F>
auto guard(Napi::Env env, F && function) {
    try {
        return function();
    } catch (const Napi::Error &) {
        throw;
    } catch (...) {
        throw to_js_error(env, current_error());
    }
}

// The same for a function of the module, in the shape that can be exported.
template <Napi::Value (*function)(const Napi::CallbackInfo &)>
Napi::Value guarded(const Napi::CallbackInfo & info) {
    return guard(info.Env(), [&] { return function(info); });
}

// Rejects a promise with the exception in flight; for use inside a catch block.
inline void reject(Napi::Env env, const Napi::Promise::Deferred & deferred) {
    try {
        throw;
    } catch (const Napi::Error & error) {
        deferred.Reject(error.Value());
    } catch (...) {
        deferred.Reject(to_js_error(env, current_error()).Value());
    }
}

// The promise that start(deferred) settles, now or later; what it throws rejects it.
template <typename F>
Napi::Value promise(Napi::Env env, F && start) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    try {
        start(deferred);
    } catch (...) {
        reject(env, deferred);
    }
    return deferred.Promise();
}

// Resolves a promise with what result() returns; what it throws rejects it.
template <typename F>
void settle(Napi::Env env, const Napi::Promise::Deferred & deferred, F && result) {
    try {
        deferred.Resolve(result());
    } catch (...) {
        reject(env, deferred);
    }
}

}  // namespace jina_reranker
