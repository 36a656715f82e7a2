#include "results.h"

#include <algorithm>

namespace jina_reranker {

namespace {

template <typename Array, typename T>
Array to_typed_array(Napi::Env env, const std::vector<T> & values) {
    Array array = Array::New(env, values.size());
    std::copy(values.begin(), values.end(), array.Data());
    return array;
}

Napi::Number number(Napi::Env env, uint64_t value) {
    return Napi::Number::New(env, static_cast<double>(value));
}

const char * type_name(enum ggml_backend_dev_type type) {
    switch (type) {
        case GGML_BACKEND_DEVICE_TYPE_CPU:
            return "cpu";
        case GGML_BACKEND_DEVICE_TYPE_GPU:
            return "gpu";
        case GGML_BACKEND_DEVICE_TYPE_IGPU:
            return "igpu";
        case GGML_BACKEND_DEVICE_TYPE_ACCEL:
            return "accel";
        case GGML_BACKEND_DEVICE_TYPE_META:
            return "meta";
    }
    return "meta";
}

}  // namespace

Napi::Error to_js_error(Napi::Env env, const Error & error) {
    Napi::Error value = Napi::Error::New(env, error.what());
    value.Set("code", Napi::String::New(env, error_code_name(error.code)));
    return value;
}

Napi::Array to_js(Napi::Env env, const std::vector<DeviceMemory> & memory) {
    Napi::Array array = Napi::Array::New(env);
    for (const DeviceMemory & of_device : memory) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("device", of_device.device);
        object.Set("weights", number(env, of_device.weights));
        object.Set("pages", number(env, of_device.pages));
        object.Set("compute", number(env, of_device.compute));
        object.Set("vision", number(env, of_device.vision));
        array.Set(array.Length(), object);
    }
    return array;
}

Napi::Object to_js(Napi::Env env, const EngineInfo & info) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("architecture", info.architecture);
    object.Set("description", info.description);
    object.Set("parameters", number(env, info.n_params));
    object.Set("sizeBytes", number(env, info.size_bytes));
    object.Set("layers", info.n_layer);
    object.Set("embeddingLength", info.n_embd);
    object.Set("attentionCells", info.attention_cells);
    object.Set("vocabularySize", info.n_vocab);
    object.Set("trainedContext", info.n_ctx_train);
    object.Set("scoreToken", info.score_token);
    object.Set("contextSize", info.context_size);
    object.Set("batchTokens", info.batch_tokens);
    object.Set("threads", info.n_threads);
    object.Set("reproducible", info.reproducible == Reproducible::exact ? "exact" : "fast");
    object.Set("maxSequences", info.n_seq_max);
    object.Set("gpuLayers", info.n_gpu_layers);
    object.Set("device", info.device);
    object.Set("deviceDescription", info.device_description);
    object.Set("memory", to_js(env, info.memory));
    if (info.vision) {
        Napi::Object vision = Napi::Object::New(env);
        vision.Set("maxTokens", info.vision->max_tokens);
        vision.Set("workPerToken", info.vision->work_per_token);
        vision.Set("sizeBytes", number(env, info.vision->size_bytes));
        object.Set("vision", vision);
    }
    return object;
}

Napi::Object to_js(Napi::Env env, const WeightsInfo & info) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("layers", info.n_layer);
    object.Set("parameters", number(env, info.n_params));
    object.Set("bytes", number(env, info.n_bytes));
    object.Set("embeddingParameters", number(env, info.n_embedding_params));
    object.Set("embeddingBytes", number(env, info.n_embedding_bytes));
    Napi::Array types = Napi::Array::New(env);
    for (const ggml_type type : info.matrix_types) {
        types.Set(types.Length(), ggml_type_name(type));
    }
    object.Set("matrixTypes", types);
    return object;
}

Napi::Object to_js(Napi::Env env, const EngineStats & stats) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("jobsSubmitted", number(env, stats.jobs_submitted));
    object.Set("jobsCompleted", number(env, stats.jobs_completed));
    object.Set("jobsFailed", number(env, stats.jobs_failed));
    object.Set("jobsCancelled", number(env, stats.jobs_cancelled));
    object.Set("pairsScored", number(env, stats.pairs_scored));
    object.Set("pairsDropped", number(env, stats.pairs_dropped));
    object.Set("documentsKept", number(env, stats.documents_kept));
    object.Set("pairsQueued", number(env, stats.pairs_queued));
    object.Set("tokensQueued", number(env, stats.tokens_queued));
    object.Set("workQueued", stats.work_queued);
    object.Set("workDone", stats.work_done);
    object.Set("tokensComputed", number(env, stats.tokens_computed));
    object.Set("tokensPadding", number(env, stats.tokens_padding));
    object.Set("batches", number(env, stats.batches));
    object.Set("tokensReused", number(env, stats.tokens_reused));
    object.Set("pairsWarm", number(env, stats.pairs_warm));
    object.Set("pairsRepeated", number(env, stats.pairs_repeated));
    object.Set("cacheBytes", number(env, stats.cache_bytes));
    object.Set("cacheEntries", number(env, stats.cache_entries));
    object.Set("imagesEncoded", number(env, stats.images_encoded));
    object.Set("imageEncodeMs", stats.image_encode_ms);
    object.Set("imagesReused", number(env, stats.images_reused));
    object.Set("imageCacheBytes", number(env, stats.image_bytes));
    object.Set("imageCacheEntries", number(env, stats.image_entries));
    object.Set("documentsRestored", number(env, stats.states_restored));
    object.Set("documentsStored", number(env, stats.states_stored));
    object.Set("storeFailures", number(env, stats.store_failures));
    object.Set("storeBytes", number(env, stats.store_bytes));
    return object;
}

namespace {

// What scoring and keeping have in common.
Napi::Object work_to_js(Napi::Env env, const ScoreResult & result) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("promptTokens", to_typed_array<Napi::Uint32Array>(env, result.prompt_tokens));
    object.Set("droppedTokens", to_typed_array<Napi::Uint32Array>(env, result.dropped_tokens));
    object.Set("computedTokens", number(env, result.n_computed));
    object.Set("reusedTokens", number(env, result.n_reused));
    object.Set("encodedImages", number(env, result.n_encoded));
    object.Set("queueMs", result.queue_ms);
    object.Set("tokenizeMs", result.tokenize_ms);
    object.Set("computeMs", result.compute_ms);
    object.Set("totalMs", result.total_ms);
    return object;
}

}  // namespace

Napi::Object score_to_js(Napi::Env env, const ScoreResult & result) {
    Napi::Object object = work_to_js(env, result);
    object.Set("scores", to_typed_array<Napi::Float32Array>(env, result.scores));
    object.Set("logits", to_typed_array<Napi::Float32Array>(env, result.logits));
    object.Set("unscored", to_typed_array<Napi::Uint32Array>(env, result.unscored));
    return object;
}

Napi::Object keep_to_js(Napi::Env env, const ScoreResult & result) {
    Napi::Object object = work_to_js(env, result);
    object.Set("storedDocuments", number(env, result.n_stored));
    return object;
}

Napi::Value to_js(Napi::Env env, const std::vector<llama_token> & tokens) {
    return to_typed_array<Napi::Int32Array>(env, tokens);
}

Napi::Object to_js(Napi::Env env, const Prompt & prompt) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("tokens", to_js(env, prompt.tokens));
    object.Set("droppedTokens", number(env, prompt.n_dropped));
    return object;
}

Napi::Object to_js(Napi::Env env, const BackendsInfo & info) {
    Napi::Array devices = Napi::Array::New(env);
    for (const DeviceInfo & device : info.devices) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("name", device.name);
        object.Set("description", device.description);
        object.Set("backend", device.backend);
        object.Set("type", type_name(device.type));
        object.Set("memoryFree", number(env, device.memory_free));
        object.Set("memoryTotal", number(env, device.memory_total));
        object.Set("computeCapability", device.compute_capability);
        devices.Set(devices.Length(), object);
    }
    Napi::Array libraries = Napi::Array::New(env);
    for (const BackendLibrary & library : info.libraries) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("backend", library.backend);
        object.Set("path", library.path);
        libraries.Set(libraries.Length(), object);
    }
    Napi::Array failures = Napi::Array::New(env);
    for (const BackendFailure & failure : info.failures) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("path", failure.path);
        object.Set("reason", failure.reason);
        failures.Set(failures.Length(), object);
    }
    Napi::Array features = Napi::Array::New(env);
    for (const std::string & feature : info.cpu_features) {
        features.Set(features.Length(), Napi::String::New(env, feature));
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("devices", devices);
    object.Set("libraries", libraries);
    object.Set("failures", failures);
    object.Set("cpuFeatures", features);
    return object;
}

}  // namespace jina_reranker
