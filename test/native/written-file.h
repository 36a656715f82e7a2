#pragma once

#include "gguf-model.h"

#include <cstdint>
#include <filesystem>
#include <string>

// A file in the temporary folder; the destructor removes it.
class WrittenFile {
  public:
    explicit WrittenFile(const std::string & bytes) :
        path_((std::filesystem::temp_directory_path() /
               ("jina-reranker-test-" + std::to_string(reinterpret_cast<uintptr_t>(this)) + ".gguf"))
                  .string()) {
        gguf_model::write(path_, bytes);
    }

    ~WrittenFile() { std::filesystem::remove(path_); }

    WrittenFile(const WrittenFile &)             = delete;
    WrittenFile & operator=(const WrittenFile &) = delete;
    WrittenFile(WrittenFile &&)                  = delete;
    WrittenFile & operator=(WrittenFile &&)      = delete;

    const std::string & path() const { return path_; }

  private:
    std::string path_;
};
