#pragma once

// A folder for document states that is gone with its object, and a store's answers one by one.

#include "document-store.h"
#include "shared-file.h"

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace jina_reranker {

// Reaches private state, which only a test may touch.
struct StoreProbe {
    static DiskThread & reader(DocumentStore & store) { return *store.reader_; }

    static DiskThread & writer(DocumentStore & store) { return *store.writer_; }

    static uint64_t n_requests(DocumentStore & store) {
        const std::lock_guard lock(store.mutex_);
        return store.last_request_;
    }

    static void set_most_waiting(DocumentStore & store, size_t n_bytes) { store.most_waiting_ = n_bytes; }

    static void set_most_unwanted(DocumentStore & store, size_t n_reads) { store.most_unwanted_ = n_reads; }

    static size_t n_waiting_bytes(DocumentStore & store) {
        const std::lock_guard lock(store.mutex_);
        return store.n_waiting_bytes_;
    }
};

class TemporaryFolder {
  public:
    TemporaryFolder() : path_(std::filesystem::temp_directory_path() / ("jina-reranker-test-" + unique_name())) {}

    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    TemporaryFolder(const TemporaryFolder &)             = delete;
    TemporaryFolder & operator=(const TemporaryFolder &) = delete;
    TemporaryFolder(TemporaryFolder &&)                  = delete;
    TemporaryFolder & operator=(TemporaryFolder &&)      = delete;

    const std::filesystem::path & path() const { return path_; }

    std::vector<std::filesystem::path> files() const {
        std::vector<std::filesystem::path> files;
        if (std::filesystem::exists(path_)) {
            for (const auto & entry : std::filesystem::recursive_directory_iterator(path_)) {
                if (entry.is_regular_file()) {
                    files.push_back(entry.path());
                }
            }
        }
        return files;
    }

    uint64_t n_bytes() const {
        uint64_t n_bytes = 0;
        for (const auto & file : files()) {
            n_bytes += std::filesystem::file_size(file);
        }
        return n_bytes;
    }

  private:
    std::filesystem::path path_;
};

// A task of a thread that waits until it is let go.
class Gate {
  public:
    void wait() {
        std::unique_lock lock(mutex_);
        opened_.wait(lock, [&] { return open_; });
    }

    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        opened_.notify_all();
    }

  private:
    std::mutex              mutex_;
    std::condition_variable opened_;
    bool                    open_ = false;
};

}  // namespace jina_reranker
