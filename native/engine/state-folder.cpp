#include "state-folder.h"

#include "shared-file.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

namespace jina_reranker {

namespace {

namespace fs = std::filesystem;

// A file that nobody owns is left behind; where a file system has no locks, that shows only in its age.
constexpr auto kLongestWrite = std::chrono::hours(24);

struct Stored {
    fs::path           path;
    fs::file_time_type used;
    uint64_t           n_bytes;
};

// A name as the system has it: others' may be of any bytes, which need not convert to another encoding.
bool is_hexadecimal(const fs::path::string_type & name) {
    return !name.empty() && std::all_of(name.begin(), name.end(),
                                        [](auto c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// By its name and those of its folders: `<16 digits>/<2 digits>/<30 digits>.state`, or `<16 digits>/<32 digits>.scores`.
bool is_ours(const fs::path & path, int depth) {
    const fs::path::string_type name      = path.stem().native();
    const fs::path              extension = path.extension();
    return is_hexadecimal(name) && ((depth == 2 && extension == ".state" && name.size() == 30) ||
                                    (depth == 1 && extension == ".scores" && name.size() == 32));
}

std::vector<Stored> stored_in(const fs::path & folder) {
    std::vector<Stored> all;
    std::error_code     error;
    // What this user may not read is another's, and not counted.
    constexpr auto      options = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator entry(folder, options, error), end; !error && entry != end;
         entry.increment(error)) {
        std::error_code gone;
        const fs::path  path = entry->path();
        if (entry->is_directory(gone)) {
            const size_t n_digits = entry.depth() == 0 ? 16 : 2;
            if (entry.depth() > 1 || path.filename().native().size() != n_digits ||
                !is_hexadecimal(path.filename().native())) {
                entry.disable_recursion_pending();
            }
        } else if (is_ours(path, entry.depth()) && entry->is_regular_file(gone)) {
            const auto used    = entry->last_write_time(gone);
            const auto n_bytes = gone ? 0 : entry->file_size(gone);
            if (!gone) {
                all.push_back({ path, used, n_bytes });
            }
        }
    }
    return all;
}

void remove_abandoned(const fs::path & folder) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code gone;
        const auto      age = fs::file_time_type::clock::now() - entry->last_write_time(gone);
        if (!gone && is_hexadecimal(entry->path().filename().native()) &&
            (age > kLongestWrite || !is_owned(entry->path()))) {
            fs::remove(entry->path(), gone);
        }
    }
}

}  // namespace

fs::path temporary_folder(const fs::path & folder) {
    return folder / "partial";
}

uint64_t trim_states(const fs::path & folder, uint64_t max_bytes, uint64_t most) {
    remove_abandoned(temporary_folder(folder));
    std::vector<Stored> all     = stored_in(folder);
    uint64_t            n_bytes = 0;
    for (const Stored & stored : all) {
        n_bytes += stored.n_bytes;
    }
    if (n_bytes <= max_bytes) {
        return n_bytes;
    }
    std::sort(all.begin(), all.end(), [](const Stored & left, const Stored & right) { return left.used < right.used; });
    for (const Stored & stored : all) {
        if (n_bytes <= most) {
            break;
        }
        std::error_code error;
        const bool      is_log = stored.path.extension() == ".scores";
        if (is_log && is_owned(stored.path)) {
            continue;
        }
        fs::remove(stored.path, error);
        n_bytes -= error ? 0 : stored.n_bytes;
    }
    return n_bytes;
}

}  // namespace jina_reranker
