#pragma once

// Files in a folder that several processes and hosts write into. A file under its name is whole: it is written under another one,
// that of a temporary file, and renamed. Its owner holds a lock on a file that it writes, which ends with the process, so that
// others tell what a killed one left behind. Any thread.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace jina_reranker {

// After a write that failed, none is tried for so long: a full disk does not change from one to the next.
constexpr std::chrono::seconds kTryAgain(10);

// A file that this process writes and nobody else does.
class OwnedFile {
  public:
    OwnedFile() = default;
    ~OwnedFile();

    OwnedFile(const OwnedFile &)             = delete;
    OwnedFile & operator=(const OwnedFile &) = delete;
    OwnedFile(OwnedFile &&)                  = delete;
    OwnedFile & operator=(OwnedFile &&)      = delete;

    // Creates it, for nobody but this user to read, and locks it.
    std::error_code create(const std::filesystem::path & path);

    std::error_code write(std::string_view bytes);

    // Leaves the first n_bytes bytes, behind which the next ones are written.
    std::error_code cut(uint64_t n_bytes);

    void close();

  private:
#ifdef _WIN32
    void * handle_ = nullptr;
#else
    int file_ = -1;
#endif
};

// A name that no other process chooses.
std::string unique_name();

// The bytes of `parts`, one after the other. temporary: in the same file system as target; removed when something fails.
std::error_code write_whole(const std::filesystem::path &         temporary,
                            const std::filesystem::path &         target,
                            const std::vector<std::string_view> & parts);

// Whether a process has the file open as its own.
bool is_owned(const std::filesystem::path & path);

}  // namespace jina_reranker
