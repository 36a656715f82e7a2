// The module's exports: binding.d.ts is their contract.

#include "arguments.h"
#include "backend.h"
#include "dynamic-library.h"
#include "engine-wrap.h"
#include "environment.h"
#include "guard.h"
#include "quantize.h"
#include "results.h"

#include <napi.h>

#include <optional>

namespace jina_reranker {

namespace {

Napi::Value js_load_backends(const Napi::CallbackInfo & info) {
    return guard(info.Env(), [&] {
        load_backends(parse_string(info[0], "directory"));
        return info.Env().Undefined();
    });
}

Napi::Value js_load_backend(const Napi::CallbackInfo & info) {
    return guard(info.Env(), [&] {
        load_backend(parse_strings(info[0], "libraries"));
        return info.Env().Undefined();
    });
}

Napi::Value js_why_not_loadable(const Napi::CallbackInfo & info) {
    return guard(info.Env(), [&]() -> Napi::Value {
        const DynamicLibrary library(parse_string(info[0], "library"));
        return library.is_open() ? info.Env().Undefined() : Napi::String::New(info.Env(), library.reason());
    });
}

Napi::Value js_backends(const Napi::CallbackInfo & info) {
    return guard(info.Env(), [&] { return to_js(info.Env(), backends_info()); });
}

Napi::Value js_version(const Napi::CallbackInfo & info) {
    Napi::Object version = Napi::Object::New(info.Env());
    version.Set("addon", JINA_RERANKER_VERSION);
    version.Set("llamaCpp", JINA_RERANKER_LLAMA_RELEASE);
    version.Set("llamaCppCommit", JINA_RERANKER_LLAMA_COMMIT);
    return version;
}

Napi::Value js_set_log_sink(const Napi::CallbackInfo & info) {
    return guard(info.Env(), [&] {
        Environment::of(info.Env()).set_log_sink(info[0]);
        return info.Env().Undefined();
    });
}

// "file": none.
std::optional<QuantizeType> parse_quantize_type(const Napi::Value & value) {
    const std::string name = parse_string(value, "type");
    if (name == "file") {
        return std::nullopt;
    }
    for (const auto & [known, type] :
         { std::pair{ "f32", QuantizeType::f32 }, std::pair{ "f16", QuantizeType::f16 },
           std::pair{ "bf16", QuantizeType::bf16 }, std::pair{ "q8_0", QuantizeType::q8_0 },
           std::pair{ "q4_k_m", QuantizeType::q4_k_m } }) {
        if (name == known) {
            return type;
        }
    }
    throw Error(ErrorCode::invalid_argument,
                "type: expected one of \"file\", \"f32\", \"f16\", \"bf16\", \"q8_0\", \"q4_k_m\", got \"" + name +
                    "\"");
}

Napi::Value js_quantize(const Napi::CallbackInfo & info) {
    const Napi::Env env      = info.Env();
    const auto      deferred = Napi::Promise::Deferred::New(env);
    try {
        const std::string input   = parse_string(info[0], "inputPath");
        const std::string output  = parse_string(info[1], "outputPath");
        const auto        type    = parse_quantize_type(info[2]);
        const auto        options = parse_quantize_options(info[3]);

        const auto error = std::make_shared<std::optional<Error>>();
        const auto work  = [input, output, type, options, error] {
            try {
                quantize(input, output, type, options);
            } catch (...) {
                *error = current_error();
            }
        };
        Environment::of(env).hand_off().run(env, work, [deferred, error](Napi::Env current) {
            if (*error) {
                deferred.Reject(to_js_error(current, **error).Value());
            } else {
                deferred.Resolve(current.Undefined());
            }
        });
    } catch (const Error & error) {
        deferred.Reject(to_js_error(env, error).Value());
    }
    return deferred.Promise();
}

Napi::Value js_inspect(const Napi::CallbackInfo & info) {
    return guard(info.Env(), [&] { return to_js(info.Env(), inspect(parse_string(info[0], "path"))); });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
    env.SetInstanceData(std::make_unique<Environment>(env).release());  // Node deletes it after the clean-up hooks
    exports.Set("Engine", EngineWrap::define(env));
    exports.Set("loadBackend", Napi::Function::New<js_load_backend>(env, "loadBackend"));
    exports.Set("whyNotLoadable", Napi::Function::New<js_why_not_loadable>(env, "whyNotLoadable"));
    exports.Set("loadBackends", Napi::Function::New<js_load_backends>(env, "loadBackends"));
    exports.Set("backends", Napi::Function::New<js_backends>(env, "backends"));
    exports.Set("version", Napi::Function::New<js_version>(env, "version"));
    exports.Set("setLogSink", Napi::Function::New<js_set_log_sink>(env, "setLogSink"));
    exports.Set("inspect", Napi::Function::New<js_inspect>(env, "inspect"));
    exports.Set("quantize", Napi::Function::New<js_quantize>(env, "quantize"));
    return exports;
}

}  // namespace

}  // namespace jina_reranker

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) {
    return jina_reranker::init(env, exports);
}

NODE_API_MODULE(jina_reranker, init_addon)
