#include "gguf-file.h"

#include "error.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace jina_reranker {

namespace {

// A model of 512 layers has 6,000 tensors. ggml compares each tensor, and each key, with all before it: a file of megabytes
// could keep it busy for hours.
constexpr uint64_t kMaxEntries = 16384;

}  // namespace

GgufFile::GgufFile(const std::string & path) : path_(path) {
    check_file();
    check_counts();
    parse();
    check_extent();
}

void GgufFile::fail(const std::string & what) const {
    throw Error(ErrorCode::model_invalid, path_ + ": " + what);
}

void GgufFile::check_file() {
    std::error_code error;
    const auto      status = std::filesystem::status(std::filesystem::u8path(path_), error);
    if (error || !std::filesystem::exists(status)) {
        throw Error(ErrorCode::model_not_found, path_ + ": no such file");
    }
    if (!std::filesystem::is_regular_file(status)) {
        throw Error(ErrorCode::model_not_found, path_ + ": not a file");
    }
    file_bytes_ = std::filesystem::file_size(std::filesystem::u8path(path_), error);
    std::ifstream file(std::filesystem::u8path(path_), std::ios::binary);
    if (error || !file) {
        throw Error(ErrorCode::model_not_found, path_ + ": cannot be read: " + std::strerror(errno));
    }
    char magic[4] = {};
    file.read(magic, sizeof(magic));
    if (file.gcount() != sizeof(magic) || std::memcmp(magic, GGUF_MAGIC, sizeof(magic)) != 0) {
        fail("not a GGUF file: it does not begin with \"GGUF\"");
    }
}

void GgufFile::check_counts() const {
    std::ifstream           file(std::filesystem::u8path(path_), std::ios::binary);
    std::array<char, 4>     magic   = {};
    uint32_t                version = 0;
    std::array<uint64_t, 2> counts  = {};
    file.read(magic.data(), sizeof(magic));
    file.read(reinterpret_cast<char *>(&version), sizeof(version));
    file.read(reinterpret_cast<char *>(counts.data()), sizeof(counts));
    if (!file) {
        fail("the GGUF header is truncated");
    }
    if (version != 2 && version != GGUF_VERSION) {
        fail("GGUF version " + std::to_string(version) + ", versions 2 and 3 are supported");
    }
    for (const uint64_t count : counts) {
        if (count > kMaxEntries) {
            fail("says it has " + std::to_string(counts[0]) + " tensors and " + std::to_string(counts[1]) +
                 " keys, at most " + std::to_string(kMaxEntries) + " of each are supported");
        }
    }
}

void GgufFile::parse() {
    ggml_context * tensors = nullptr;
    metadata_.reset(gguf_init_from_file(path_.c_str(), { /*.no_alloc =*/true, /*.ctx =*/&tensors }));
    tensors_.reset(tensors);
    if (!metadata_ || !tensors_) {
        fail("the GGUF header is truncated or damaged");
    }
}

// Every tensor's data must lie inside the file.
void GgufFile::check_extent() const {
    const uint64_t data_offset = gguf_get_data_offset(metadata());
    const int64_t  n_tensors   = gguf_get_n_tensors(metadata());
    if (n_tensors == 0) {
        fail("holds no tensors");
    }
    for (int64_t i = 0; i < n_tensors; ++i) {
        uint64_t n_left = file_bytes_;
        for (const uint64_t n : { data_offset, static_cast<uint64_t>(gguf_get_tensor_offset(metadata(), i)),
                                  static_cast<uint64_t>(gguf_get_tensor_size(metadata(), i)) }) {
            if (n > n_left) {
                fail("truncated: tensor " + std::string(gguf_get_tensor_name(metadata(), i)) + " of " +
                     std::to_string(gguf_get_tensor_size(metadata(), i)) + " bytes ends beyond the file, which has " +
                     std::to_string(file_bytes_));
            }
            n_left -= n;
        }
    }
}

uint64_t GgufFile::offset_of(const char * tensor) const {
    return gguf_get_data_offset(metadata()) + gguf_get_tensor_offset(metadata(), gguf_find_tensor(metadata(), tensor));
}

uint64_t GgufFile::tensor_bytes() const {
    uint64_t n_bytes = 0;
    for (ggml_tensor * tensor = ggml_get_first_tensor(tensors_.get()); tensor != nullptr;
         tensor               = ggml_get_next_tensor(tensors_.get(), tensor)) {
        n_bytes += ggml_nbytes(tensor);
    }
    return n_bytes;
}

bool GgufFile::has(const std::string & key) const {
    return gguf_find_key(metadata(), key.c_str()) >= 0;
}

int64_t GgufFile::key(const std::string & name, gguf_type type) const {
    const int64_t id = gguf_find_key(metadata(), name.c_str());
    if (id < 0) {
        fail("has no key " + name);
    }
    if (gguf_get_kv_type(metadata(), id) != type) {
        fail("key " + name + " is of type " + gguf_type_name(gguf_get_kv_type(metadata(), id)) + ", expected " +
             gguf_type_name(type));
    }
    return id;
}

std::string GgufFile::string(const std::string & name) const {
    return gguf_get_val_str(metadata(), key(name, GGUF_TYPE_STRING));
}

uint32_t GgufFile::u32(const std::string & name) const {
    return gguf_get_val_u32(metadata(), key(name, GGUF_TYPE_UINT32));
}

float GgufFile::f32(const std::string & name) const {
    return gguf_get_val_f32(metadata(), key(name, GGUF_TYPE_FLOAT32));
}

int64_t GgufFile::list(const std::string & name, gguf_type type) const {
    const int64_t id = key(name, GGUF_TYPE_ARRAY);
    if (gguf_get_arr_type(metadata(), id) != type) {
        fail("key " + name + " is a list of " + gguf_type_name(gguf_get_arr_type(metadata(), id)) + ", expected " +
             gguf_type_name(type));
    }
    return id;
}

}  // namespace jina_reranker
