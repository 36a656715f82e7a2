// An addon with the mistake that thread-checks.h is for: it releases a JavaScript value on a thread of its own.

#include <napi.h>

#include <memory>
#include <thread>

namespace {

void nothing(Napi::Env /*env*/, Napi::Function /*callback*/, std::nullptr_t * /*context*/, std::nullptr_t * /*data*/) {}

Napi::Value release_elsewhere(const Napi::CallbackInfo & info) {
    auto value = std::make_unique<Napi::Reference<Napi::Value>>(Napi::Persistent(info[0]));
    std::thread([value = std::move(value)]() mutable { value.reset(); }).join();
    return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
    using Function = Napi::TypedThreadSafeFunction<std::nullptr_t, std::nullptr_t, nothing>;
    Function::New(env, "astray", 0, 1).Unref(env);
    exports.Set("releaseElsewhere", Napi::Function::New(env, release_elsewhere));
    return exports;
}

}  // namespace

NODE_API_MODULE(astray, init)
