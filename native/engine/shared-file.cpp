#include "shared-file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <random>

#ifdef _WIN32
#    include <windows.h>
#else
#    include <fcntl.h>
#    include <sys/file.h>
#    include <unistd.h>
#endif

namespace jina_reranker {

std::string unique_name() {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::random_device                random;
    std::string                       name;
    for (int i = 0; i < 4; ++i) {
        uint32_t bits = random();
        for (int digit = 0; digit < 8; ++digit, bits >>= 4U) {
            name += kDigits[bits & 15U];
        }
    }
    return name;
}

OwnedFile::~OwnedFile() {
    close();
}

#ifdef _WIN32

namespace {

std::error_code last_error() {
    return { static_cast<int>(GetLastError()), std::system_category() };
}

}  // namespace

// Others may read it and, as here, may not write or remove it until it is closed.
std::error_code OwnedFile::create(const std::filesystem::path & path) {
    const HANDLE handle = CreateFileW(path.c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr, CREATE_NEW, 0, nullptr);
    if (handle == INVALID_HANDLE_VALUE) {
        return last_error();
    }
    handle_ = handle;
    return {};
}

std::error_code OwnedFile::write(std::string_view bytes) {
    while (!bytes.empty()) {
        DWORD       n_written = 0;
        const DWORD n         = static_cast<DWORD>(std::min<size_t>(bytes.size(), 1U << 30U));
        if (!WriteFile(handle_, bytes.data(), n, &n_written, nullptr)) {
            return last_error();
        }
        bytes.remove_prefix(n_written);
    }
    return {};
}

std::error_code OwnedFile::cut(uint64_t n_bytes) {
    LARGE_INTEGER end;
    end.QuadPart      = static_cast<LONGLONG>(n_bytes);
    const bool is_cut = SetFilePointerEx(handle_, end, nullptr, FILE_BEGIN) && SetEndOfFile(handle_);
    return is_cut ? std::error_code() : last_error();
}

void OwnedFile::close() {
    if (handle_ != nullptr) {
        CloseHandle(handle_);
        handle_ = nullptr;
    }
}

bool is_owned(const std::filesystem::path & path) {
    const HANDLE handle = CreateFileW(path.c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
    if (handle == INVALID_HANDLE_VALUE) {
        return GetLastError() == ERROR_SHARING_VIOLATION;
    }
    CloseHandle(handle);
    return false;
}

#else

namespace {

std::error_code last_error() {
    return { errno, std::generic_category() };
}

}  // namespace

std::error_code OwnedFile::create(const std::filesystem::path & path) {
    file_ = open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (file_ < 0) {
        return last_error();
    }
    // Another process may take it for one that was left behind before it is locked. A file system may have no locks.
    return flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK ? last_error() : std::error_code();
}

std::error_code OwnedFile::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n_written = ::write(file_, bytes.data(), bytes.size());
        if (n_written < 0 && errno != EINTR) {
            return last_error();
        }
        bytes.remove_prefix(n_written < 0 ? 0 : static_cast<size_t>(n_written));
    }
    return {};
}

std::error_code OwnedFile::cut(uint64_t n_bytes) {
    const auto end    = static_cast<off_t>(n_bytes);
    const bool is_cut = ftruncate(file_, end) == 0 && lseek(file_, end, SEEK_SET) == end;
    return is_cut ? std::error_code() : last_error();
}

void OwnedFile::close() {
    if (file_ >= 0) {
        ::close(file_);
        file_ = -1;
    }
}

bool is_owned(const std::filesystem::path & path) {
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return errno != ENOENT;
    }
    const bool owned = flock(file, LOCK_EX | LOCK_NB) != 0;
    ::close(file);
    return owned;
}

#endif

std::error_code write_whole(const std::filesystem::path &         temporary,
                            const std::filesystem::path &         target,
                            const std::vector<std::string_view> & parts) {
    std::error_code error;
    {
        OwnedFile file;
        error = file.create(temporary);
        for (auto part = parts.begin(); !error && part != parts.end(); ++part) {
            error = file.write(*part);
        }
#ifdef _WIN32
        file.close();
#endif
        if (!error) {
            std::filesystem::rename(temporary, target, error);
        }
    }
    if (error) {
        std::error_code ignored;
        std::filesystem::remove(temporary, ignored);
    }
    return error;
}

}  // namespace jina_reranker
