// Another addon, with values whose pointers are no engines: what a test gives to ours in place of its own.

#include <node_api.h>

namespace {

int somebody_elses = 0;

void set(napi_env env, napi_value exports, const char * name, napi_value value) {
    napi_set_named_property(env, exports, name, value);
}

napi_value external(napi_env env) {
    napi_value value = nullptr;
    napi_create_external(env, &somebody_elses, nullptr, nullptr, &value);
    return value;
}

napi_value wrapped(napi_env env) {
    napi_value value = nullptr;
    napi_create_object(env, &value);
    napi_wrap(env, value, &somebody_elses, nullptr, nullptr, nullptr);
    return value;
}

}  // namespace

NAPI_MODULE_INIT() {
    set(env, exports, "external", external(env));
    set(env, exports, "wrapped", wrapped(env));
    set(env, exports, "disguised", wrapped(env));
    return exports;
}
