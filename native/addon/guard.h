#pragma once

// Turns the engine's exceptions into JavaScript ones at the border. JavaScript thread only.

#include "error.h"
#include "results.h"

#include <napi.h>

#include <new>

namespace jina_reranker {

// The exception in flight as an Error; for use inside a catch block.
inline Error current_error() {
    try {
        throw;
    } catch (const Error & error) {
        return error;
    } catch (const std::bad_alloc &) {
        return { ErrorCode::out_of_memory, "out of memory" };
    } catch (const std::exception & error) {
        return { ErrorCode::engine_error, error.what() };
    }
}

// Runs a function of the addon; what it throws becomes a NativeError.
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

}  // namespace jina_reranker
