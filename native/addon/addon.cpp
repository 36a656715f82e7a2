// The functions that the module exports, and its initialisation. Each stands under its signature in binding.d.ts, the contract
// (test/native/binding.test.ts compares them). JavaScript thread.

#include "arguments.h"
#include "backend.h"
#include "dynamic-library.h"
#include "engine-wrap.h"
#include "environment.h"
#include "estimate.h"
#include "guard.h"
#include "quantize.h"
#include "results.h"
#include "thread-stacks.h"

#include <napi.h>

#include <memory>
#include <optional>
#include <vector>

namespace jina_reranker {

namespace {

// loadBackends(directory: string): void
Napi::Value js_load_backends(const Napi::CallbackInfo & info) {
    load_backends(parse_string(info[0], "directory"));
    return info.Env().Undefined();
}

// loadBackend(libraries: readonly string[]): void
Napi::Value js_load_backend(const Napi::CallbackInfo & info) {
    load_backend(parse_strings(info[0], "libraries"));
    return info.Env().Undefined();
}

// whyNotLoadable(library: string): string | undefined
Napi::Value js_why_not_loadable(const Napi::CallbackInfo & info) {
    const DynamicLibrary library(parse_string(info[0], "library"));
    return library.is_open() ? info.Env().Undefined() : Napi::String::New(info.Env(), library.reason());
}

// backends(): Backends
Napi::Value js_backends(const Napi::CallbackInfo & info) {
    return to_js(info.Env(), backends_info());
}

// version(): Version
Napi::Value js_version(const Napi::CallbackInfo & info) {
    Napi::Object version = Napi::Object::New(info.Env());
    version.Set("addon", JINA_RERANKER_VERSION);
    version.Set("llamaCpp", JINA_RERANKER_LLAMA_RELEASE);
    version.Set("llamaCppCommit", JINA_RERANKER_LLAMA_COMMIT);
    return version;
}

// setLogSink(sink: ((level: LogLevel, line: string) => void) | undefined): void
Napi::Value js_set_log_sink(const Napi::CallbackInfo & info) {
    Environment::of(info.Env()).set_log_sink(info[0]);
    return info.Env().Undefined();
}

// inspect(path: string): WeightsInfo
Napi::Value js_inspect(const Napi::CallbackInfo & info) {
    return to_js(info.Env(), inspect(parse_string(info[0], "path")));
}

// No type for "file": tensors stay as they are.
std::optional<QuantizeType> parse_quantize_type(const Napi::Value & value) {
    const std::string name = parse_string(value, "type");
    if (name == "file") {
        return std::nullopt;
    }
    for (const auto & [known, type] :
         { std::pair{ "f32", QuantizeType::f32 }, std::pair{ "f16", QuantizeType::f16 },
           std::pair{ "bf16", QuantizeType::bf16 }, std::pair{ "q8_0", QuantizeType::q8_0 },
           std::pair{ "q4_k_m", QuantizeType::q4_k_m }, std::pair{ "q5_k_m", QuantizeType::q5_k_m } }) {
        if (name == known) {
            return type;
        }
    }
    throw Error(ErrorCode::invalid_argument,
                "type: expected one of \"file\", \"f32\", \"f16\", \"bf16\", \"q8_0\", \"q4_k_m\", \"q5_k_m\", got \"" +
                    name + "\"");
}

// quantize(inputPath: string, outputPath: string, type: QuantizeType, options?: QuantizeOptions): Promise<void>
Napi::Value js_quantize(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    return promise(env, [&](const Napi::Promise::Deferred & deferred) {
        const std::string input   = parse_string(info[0], "inputPath");
        const std::string output  = parse_string(info[1], "outputPath");
        const auto        type    = parse_quantize_type(info[2]);
        const auto        options = parse_quantize_options(info[3]);

        Environment::of(env).run(env, deferred, [=] { quantize(input, output, type, options); });
    });
}

// None where they stay as they are.
std::optional<ggml_type> parse_matrix_type(const Napi::Value & value) {
    if (value.IsUndefined()) {
        return std::nullopt;
    }
    const std::string name = parse_string(value, "matrixType");
    for (const ggml_type type : { GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0 }) {
        if (name == ggml_type_name(type)) {
            return type;
        }
    }
    throw Error(ErrorCode::invalid_argument,
                R"(matrixType: expected one of "f16", "bf16", "q8_0", got ")" + name + "\"");
}

// estimate(options: Omit<EngineOptions, "head">, matrixType?: "f16" | "bf16" | "q8_0"): Promise<DeviceMemory[][]>
Napi::Value js_estimate(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    return promise(env, [&](const Napi::Promise::Deferred & deferred) {
        const EngineOptions options  = parse_engine_options(info[0]);
        const auto          type     = parse_matrix_type(info[1]);
        const auto          estimate = std::make_shared<std::vector<std::vector<DeviceMemory>>>();
        const auto          work     = [=] {
            *estimate = jina_reranker::estimate(options, type);
        };
        Environment::of(env).run(env, deferred, work, [estimate](Napi::Env current) {
            Napi::Array array = Napi::Array::New(current);
            for (const std::vector<DeviceMemory> & memory : *estimate) {
                array.Set(array.Length(), to_js(current, memory));
            }
            return array;
        });
    });
}

template <Napi::Value (*function)(const Napi::CallbackInfo &)>
void define(Napi::Object & exports, const char * name) {
    exports.Set(name, Napi::Function::New<guarded<function>>(exports.Env(), name));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
    raise_thread_stacks();                                              // before the first thread of an environment
    env.SetInstanceData(std::make_unique<Environment>(env).release());  // Node deletes it after the clean-up hooks
    exports.Set("Engine", EngineWrap::define(env));
    define<js_load_backend>(exports, "loadBackend");
    define<js_why_not_loadable>(exports, "whyNotLoadable");
    define<js_load_backends>(exports, "loadBackends");
    define<js_backends>(exports, "backends");
    define<js_version>(exports, "version");
    define<js_set_log_sink>(exports, "setLogSink");
    define<js_inspect>(exports, "inspect");
    define<js_quantize>(exports, "quantize");
    define<js_estimate>(exports, "estimate");
    return exports;
}

}  // namespace

}  // namespace jina_reranker

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) {
    return jina_reranker::init(env, exports);
}

NODE_API_MODULE(jina_reranker, init_addon)
