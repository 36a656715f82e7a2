#include "store-identity.h"

#include "cpu-features.h"
#include "error.h"
#include "kv-pages.h"
#include "xxh64.h"

#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

namespace jina_reranker {

namespace {

// To be raised by whoever changes the bits of a token's K and V, or what a state's bytes mean.
constexpr std::string_view kStateVersion = "1";

constexpr size_t kChunkBytes = size_t{ 1 } << 20U;

template <typename Number>
std::string_view bytes_of(const std::vector<Number> & numbers) {
    return { reinterpret_cast<const char *>(numbers.data()), numbers.size() * sizeof(Number) };
}

template <typename Number>
std::string_view bytes_of(const Number & number) {
    return { reinterpret_cast<const char *>(&number), sizeof(number) };
}

}  // namespace

uint64_t file_digest(const std::string & path) {
    std::ifstream     file(std::filesystem::u8path(path), std::ios::binary);
    std::vector<char> chunk(kChunkBytes);
    Xxh64             hash;
    while (file) {
        file.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
        hash.update({ chunk.data(), static_cast<size_t>(file.gcount()) });
    }
    if (!file.eof()) {
        throw Error(ErrorCode::model_invalid, path + ": could not be read to its end");
    }
    return hash.digest();
}

uint64_t state_identity(const Model & model, const EngineOptions & options) {
    std::string parts = "states " + std::string(kStateVersion) + "\n" + JINA_RERANKER_BUILD + "\n";
    parts += ggml_type_name(ggml_type_of(options.kv_type));
    parts += std::string("\n") + (model.on_gpu() ? ggml_backend_dev_description(model.device()) : "CPU");
    parts += "\n" + std::to_string(model.n_gpu_layers());
    for (const std::string & feature : cpu_feature_names()) {
        parts += "\n" + feature;
    }
    Xxh64 hash;
    hash.update(parts);
    hash.update(bytes_of(file_digest(model.file().path())));
    return hash.digest();
}

uint64_t score_identity(uint64_t state, const HeadWeights & head) {
    Xxh64 hash(state);
    for (const std::vector<float> * part : { &head.w1, &head.b1, &head.w2 }) {
        hash.update(bytes_of(*part));
    }
    hash.update(bytes_of(head.b2));
    hash.update(bytes_of(head.logit_bias));
    return hash.digest();
}

}  // namespace jina_reranker
