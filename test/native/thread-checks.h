#pragma once

// Included before everything else where the addon is compiled a second time, for tests: whoever makes, releases or reads a
// JavaScript value on a thread that is not its environment's ends the process, which tells where. Node itself does not look.

#include <node_api.h>

#include <cstdio>
#include <cstdlib>
#include <set>

namespace thread_checks {

// The environments of this thread. An address is used again after its environment, maybe on another thread: then it is in the
// sets of both, and a use on the first one would be missed.
inline std::set<napi_env> & environments() {
    static thread_local std::set<napi_env> own;
    return own;
}

// An addon makes its thread-safe function when it is loaded, on the thread that its environment belongs to.
inline void belongs_here(napi_env env) {
    environments().insert(env);
}

inline void require_here(napi_env env, const char * function) {
    if (environments().count(env) == 0) {
        std::fprintf(stderr, "%s was called on a thread that is not its environment's\n", function);
        std::abort();
    }
}

}  // namespace thread_checks

// clang-format off
#define napi_create_threadsafe_function(env, ...) (::thread_checks::belongs_here(env), napi_create_threadsafe_function(env, __VA_ARGS__))
#define THREAD_CHECKED(function, env, ...) (::thread_checks::require_here(env, #function), function(env, __VA_ARGS__))

#define napi_create_reference(env, ...) THREAD_CHECKED(napi_create_reference, env, __VA_ARGS__)
#define napi_delete_reference(env, ...) THREAD_CHECKED(napi_delete_reference, env, __VA_ARGS__)
#define napi_reference_ref(env, ...) THREAD_CHECKED(napi_reference_ref, env, __VA_ARGS__)
#define napi_reference_unref(env, ...) THREAD_CHECKED(napi_reference_unref, env, __VA_ARGS__)
#define napi_get_reference_value(env, ...) THREAD_CHECKED(napi_get_reference_value, env, __VA_ARGS__)
#define napi_create_object(env, ...) THREAD_CHECKED(napi_create_object, env, __VA_ARGS__)
#define napi_create_error(env, ...) THREAD_CHECKED(napi_create_error, env, __VA_ARGS__)
#define napi_create_external(env, ...) THREAD_CHECKED(napi_create_external, env, __VA_ARGS__)
#define napi_create_promise(env, ...) THREAD_CHECKED(napi_create_promise, env, __VA_ARGS__)
#define napi_resolve_deferred(env, ...) THREAD_CHECKED(napi_resolve_deferred, env, __VA_ARGS__)
#define napi_reject_deferred(env, ...) THREAD_CHECKED(napi_reject_deferred, env, __VA_ARGS__)
#define napi_call_function(env, ...) THREAD_CHECKED(napi_call_function, env, __VA_ARGS__)
#define napi_open_handle_scope(env, ...) THREAD_CHECKED(napi_open_handle_scope, env, __VA_ARGS__)
#define napi_ref_threadsafe_function(env, ...) THREAD_CHECKED(napi_ref_threadsafe_function, env, __VA_ARGS__)
#define napi_unref_threadsafe_function(env, ...) THREAD_CHECKED(napi_unref_threadsafe_function, env, __VA_ARGS__)
// clang-format on
