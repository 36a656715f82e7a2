#include "arguments.h"

#include "error.h"

#include <cmath>
#include <initializer_list>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

namespace jina_reranker {

namespace {

std::string kind_of(const Napi::Value & value) {
    switch (value.Type()) {
        case napi_undefined:
            return "undefined";
        case napi_null:
            return "null";
        case napi_boolean:
            return "a boolean";
        case napi_number:
            return "the number " + value.ToString().Utf8Value();
        case napi_string:
            return "a string";
        case napi_function:
            return "a function";
        case napi_object:
            return value.IsArray() ? "an array" : "an object";
        default:
            return "something else";
    }
}

[[noreturn]] void fail(const std::string & name, const std::string & expected, const std::string & got) {
    throw Error(ErrorCode::invalid_argument, name + ": expected " + expected + ", got " + got);
}

Napi::Object parse_object(const Napi::Value & value, const std::string & name) {
    if (!value.IsObject() || value.IsArray() || value.IsFunction()) {
        fail(name, "an object", kind_of(value));
    }
    return value.As<Napi::Object>();
}

std::vector<float> parse_floats(const Napi::Object & object, const char * key) {
    const Napi::Value value = object.Get(key);
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
        fail(std::string("head.") + key, "a Float32Array", kind_of(value));
    }
    const auto array = value.As<Napi::Float32Array>();
    return { array.Data(), array.Data() + array.ElementLength() };
}

float parse_float(const Napi::Object & object, const char * key) {
    const Napi::Value value = object.Get(key);
    if (!value.IsNumber()) {
        fail(std::string("head.") + key, "a number", kind_of(value));
    }
    return value.As<Napi::Number>().FloatValue();
}

bool parse_boolean(const Napi::Object & object, const char * key) {
    const Napi::Value value = object.Get(key);
    if (!value.IsBoolean()) {
        fail(key, "true or false", kind_of(value));
    }
    return value.As<Napi::Boolean>().Value();
}

template <typename T>
T parse_choice(const Napi::Object &                              object,
               const char *                                      key,
               std::initializer_list<std::pair<const char *, T>> choices) {
    const Napi::Value value = object.Get(key);
    std::string       expected;
    for (const auto & [name, choice] : choices) {
        if (value.IsString() && value.As<Napi::String>().Utf8Value() == name) {
            return choice;
        }
        expected += (expected.empty() ? "\"" : ", \"") + std::string(name) + "\"";
    }
    fail(key, "one of " + expected,
         value.IsString() ? "\"" + value.As<Napi::String>().Utf8Value() + "\"" : kind_of(value));
}

constexpr int64_t kFewestImageTokens = 4;
constexpr int64_t kMostImageTokens   = 768;
constexpr int64_t kMostSide          = 1 << 16;
constexpr size_t  kMostHashBytes     = 128;

}  // namespace

std::string parse_string(const Napi::Value & value, const std::string & name) {
    if (!value.IsString()) {
        fail(name, "a string", kind_of(value));
    }
    return value.As<Napi::String>().Utf8Value();
}

std::string parse_text(const Napi::Value & value, const std::string & name) {
    if (value.IsString()) {
        size_t n_bytes = 0;
        napi_get_value_string_utf8(value.Env(), value, nullptr, 0, &n_bytes);
        if (n_bytes > kMostTextBytes) {
            fail(name, "at most " + std::to_string(kMostTextBytes) + " bytes of UTF-8", std::to_string(n_bytes));
        }
    }
    return parse_string(value, name);
}

int64_t parse_integer(const Napi::Value & value, const std::string & name, int64_t lowest, int64_t highest) {
    const std::string expected = "a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest);
    if (!value.IsNumber()) {
        fail(name, expected, kind_of(value));
    }
    const double number = value.As<Napi::Number>().DoubleValue();
    if (!(number >= static_cast<double>(lowest)) || !(number <= static_cast<double>(highest)) ||
        std::floor(number) != number) {
        fail(name, expected, kind_of(value));
    }
    return static_cast<int64_t>(number);
}

EngineOptions parse_engine_options(const Napi::Value & value) {
    const Napi::Object object = parse_object(value, "options");
    const auto         number = [&](const char * key, int64_t lowest, int64_t highest) {
        return static_cast<int32_t>(parse_integer(object.Get(key), key, lowest, highest));
    };
    EngineOptions options;
    options.model_path = parse_string(object.Get("modelPath"), "modelPath");
    if (const Napi::Value device = object.Get("device"); !device.IsUndefined()) {
        options.device = parse_string(device, "device");
    }
    options.context_size = number("contextSize", 16, 1 << 20);
    options.batch_tokens = number("batchTokens", 0, 1 << 16);
    if (options.batch_tokens > 0 && options.batch_tokens < 64) {
        fail("batchTokens", "0 or a whole number from 64 to 65536", std::to_string(options.batch_tokens));
    }
    options.n_gpu_layers     = number("gpuLayers", 0, 1 << 20);
    options.n_threads        = number("threads", 0, 512);
    options.max_queued_pairs = static_cast<size_t>(number("maxQueuedPairs", 1, 1 << 30));
    const auto bytes         = [&](const char * key) {
        return static_cast<size_t>(parse_integer(object.Get(key), key, 0, int64_t{ 1 } << 44));
    };
    options.document_cache_bytes = bytes("documentCacheBytes");
    options.score_cache_bytes    = bytes("scoreCacheBytes");
    if (const Napi::Value store = object.Get("documentStore"); !store.IsUndefined()) {
        const Napi::Object location      = parse_object(store, "documentStore");
        options.document_store.directory = parse_string(location.Get("directory"), "documentStore.directory");
        options.document_store.max_bytes = static_cast<uint64_t>(
            parse_integer(location.Get("maxBytes"), "documentStore.maxBytes", 1, int64_t{ 1 } << 50U));
        if (options.document_store.directory.empty()) {
            fail("documentStore.directory", "a path", "an empty string");
        }
    }
    options.deduplicate  = parse_boolean(object, "deduplicate");
    options.backend      = parse_choice<Backend>(object, "backend",
                                            { { "auto", Backend::automatic },
                                                   { "cpu", Backend::cpu },
                                                   { "cuda", Backend::cuda },
                                                   { "metal", Backend::metal },
                                                   { "vulkan", Backend::vulkan } });
    options.reproducible = parse_choice<Reproducible>(
        object, "reproducible",
        { { "auto", Reproducible::automatic }, { "exact", Reproducible::exact }, { "fast", Reproducible::fast } });
    if (const Napi::Value vision = object.Get("vision"); !vision.IsUndefined()) {
        const Napi::Object tower  = parse_object(vision, "vision");
        options.mmproj_path       = parse_string(tower.Get("mmprojPath"), "vision.mmprojPath");
        options.vision.max_tokens = static_cast<int32_t>(
            parse_integer(tower.Get("maxTokens"), "vision.maxTokens", kFewestImageTokens, kMostImageTokens));
        options.vision.cache_bytes =
            static_cast<size_t>(parse_integer(tower.Get("cacheBytes"), "vision.cacheBytes", 0, int64_t{ 1 } << 50U));
        if (options.mmproj_path.empty()) {
            fail("vision.mmprojPath", "a path", "an empty string");
        }
    }
    options.kv_type = parse_choice<KvType>(
        object, "kvType", { { "f16", KvType::f16 }, { "f32", KvType::f32 }, { "q8_0", KvType::q8_0 } });
    return options;
}

QuantizeOptions parse_quantize_options(const Napi::Value & value) {
    QuantizeOptions options;
    if (value.IsUndefined()) {
        return options;
    }
    const Napi::Object object = parse_object(value, "options");
    if (object.Has("threads")) {
        options.n_threads = static_cast<int32_t>(parse_integer(object.Get("threads"), "threads", 0, 512));
    }
    if (object.Has("layers")) {
        options.n_layers = static_cast<int32_t>(parse_integer(object.Get("layers"), "layers", 0, 1 << 20));
    }
    if (object.Has("keepEmbeddings")) {
        options.keep_embeddings = parse_boolean(object, "keepEmbeddings");
    }
    return options;
}

HeadWeights parse_head(const Napi::Value & value) {
    const Napi::Object object = parse_object(value, "head");
    HeadWeights        head;
    head.w1         = parse_floats(object, "w1");
    head.b1         = parse_floats(object, "b1");
    head.w2         = parse_floats(object, "w2");
    head.b2         = parse_float(object, "b2");
    head.logit_bias = parse_float(object, "logitBias");
    return head;
}

std::vector<std::string> parse_strings(const Napi::Value & value, const std::string & name) {
    if (!value.IsArray()) {
        fail(name, "an array of strings", kind_of(value));
    }
    const auto               array = value.As<Napi::Array>();
    std::vector<std::string> strings;  // grows as strings come: a length is easily claimed
    for (uint32_t i = 0; i < array.Length(); ++i) {
        const Napi::HandleScope scope(array.Env());
        strings.push_back(parse_text(array.Get(i), name + "[" + std::to_string(i) + "]"));
    }
    return strings;
}

namespace {

// Those of a request by hash, width and height: pixels that come several times are kept once.
using Images = std::map<std::tuple<std::string, int32_t, int32_t>, std::shared_ptr<const Image>>;

RequestImage parse_image(const Napi::Object & object, const std::string & name, Images & images) {
    const std::string hash = parse_string(object.Get("hash"), name + ".hash");
    if (hash.empty() || hash.size() > kMostHashBytes) {
        fail(name + ".hash", "1 to " + std::to_string(kMostHashBytes) + " characters", std::to_string(hash.size()));
    }
    const auto width  = static_cast<int32_t>(parse_integer(object.Get("width"), name + ".width", 1, kMostSide));
    const auto height = static_cast<int32_t>(parse_integer(object.Get("height"), name + ".height", 1, kMostSide));
    std::shared_ptr<const Image> & known = images[{ hash, width, height }];
    if (!known) {
        const Napi::Value rgb = object.Get("rgb");
        if (!rgb.IsTypedArray() || rgb.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
            fail(name + ".rgb", "a Uint8Array", kind_of(rgb));
        }
        const auto bytes = rgb.As<Napi::Uint8Array>();
        auto       image = std::make_shared<Image>();
        image->width     = width;
        image->height    = height;
        image->rgb.assign(bytes.Data(), bytes.Data() + bytes.ElementLength());
        known = image;
    }
    return { known, hash };
}

Content parse_content(const Napi::Value & value, const std::string & name, Images & images) {
    if (value.IsString()) {
        return parse_text(value, name);
    }
    if (!value.IsObject() || value.IsArray() || value.IsFunction()) {
        fail(name, "a string or an image", kind_of(value));
    }
    return parse_image(value.As<Napi::Object>(), name, images);
}

}  // namespace

namespace {

// All but the query.
ScoreRequest parse_documents(const Napi::Object & object, Images & images) {
    const Napi::Value documents = object.Get("documents");
    ScoreRequest      request;
    if (!documents.IsArray()) {
        fail("documents", "an array of strings and images", kind_of(documents));
    }
    const auto array = documents.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) {
        const Napi::HandleScope scope(array.Env());
        request.documents.push_back(parse_content(array.Get(i), "documents[" + std::to_string(i) + "]", images));
    }
    if (request.documents.empty()) {
        fail("documents", "at least one", "none");
    }
    if (const Napi::Value instruction = object.Get("instruction"); !instruction.IsUndefined()) {
        request.instruction = parse_text(instruction, "instruction");
    }
    if (object.Has("maxDocumentTokens")) {
        request.cut.max_tokens =
            static_cast<int32_t>(parse_integer(object.Get("maxDocumentTokens"), "maxDocumentTokens", 0, INT32_MAX));
    }
    if (object.Has("truncate")) {
        request.cut.at = parse_choice<CutAt>(
            object, "truncate", { { "end", CutAt::end }, { "start", CutAt::start }, { "never", CutAt::never } });
    }
    if (object.Has("priority")) {
        request.priority = static_cast<int32_t>(parse_integer(object.Get("priority"), "priority", 0, kLowestPriority));
    }
    return request;
}

}  // namespace

ScoreRequest parse_score_request(const Napi::Value & value) {
    const Napi::Object object = parse_object(value, "request");
    Images             images;
    const Content      query   = parse_content(object.Get("query"), "query", images);
    ScoreRequest       request = parse_documents(object, images);
    request.query              = query;
    return request;
}

ScoreRequest parse_keep_request(const Napi::Value & value) {
    Images images;
    return parse_documents(parse_object(value, "request"), images);
}

}  // namespace jina_reranker
