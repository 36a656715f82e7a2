#include "score-log.h"

#include "portable-tokens.h"
#include "xxh64.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

namespace jina_reranker {

namespace {

namespace fs = std::filesystem;

using Count = uint32_t;

constexpr size_t kFixedBytes = sizeof(Count) + sizeof(float) + sizeof(uint64_t);  // of a record, beside its tokens

struct File {
    fs::path           path;
    fs::file_time_type written;
};

std::vector<File> newest_first(const fs::path & folder) {
    std::vector<File> files;
    std::error_code   error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code gone;
        const auto      written = entry->last_write_time(gone);
        if (!gone && entry->path().extension() == ".scores" && entry->is_regular_file(gone)) {
            files.push_back({ entry->path(), written });
        }
    }
    std::sort(files.begin(), files.end(),
              [](const File & left, const File & right) { return left.written > right.written; });
    return files;
}

// Of a file whose end may be written at this moment.
std::string start_of(const fs::path & path, size_t max_bytes) {
    std::error_code error;
    const uintmax_t n_file = fs::file_size(path, error);
    std::ifstream   file(path, std::ios::binary);
    std::string     bytes(error ? 0 : static_cast<size_t>(std::min<uintmax_t>(n_file, max_bytes)), '\0');
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
    return bytes;
}

template <typename Number>
Number number_at(std::string_view bytes, size_t at) {
    Number number = 0;
    std::memcpy(&number, bytes.data() + at, sizeof(number));
    return number;
}

template <typename Number>
void append(std::string & bytes, Number number) {
    bytes.append(reinterpret_cast<const char *>(&number), sizeof(number));
}

}  // namespace

ScoreLog::ScoreLog(ScoreLogOptions options, ScoreCache & scores, ImageTokens & images) : options_(std::move(options)) {
    std::error_code ignored;
    fs::create_directories(options_.folder, ignored);
    const std::vector<File> files  = newest_first(options_.folder);
    const std::string       merged = read_all(scores, images);
    if (!begin_file() || !write(merged)) {
        return;
    }
    for (const File & file : files) {
        if (!is_owned(file.path)) {
            fs::remove(file.path, ignored);
        }
    }
}

// Returns the records of files that nobody owns, as many of the newest as fit into one file.
std::string ScoreLog::read_all(ScoreCache & scores, ImageTokens & images) {
    std::vector<std::string> read;
    std::vector<bool>        abandoned;
    size_t                   n_bytes = 0;
    for (const File & file : newest_first(options_.folder)) {
        if (n_bytes >= options_.max_bytes) {
            break;
        }
        abandoned.push_back(!is_owned(file.path));
        read.push_back(start_of(file.path, 2 * options_.max_bytes));
        n_bytes += read.back().size();
    }
    std::string merged;
    // The oldest first: the cache keeps what came last.
    for (size_t i = read.size(); i-- > 0;) {
        std::string_view rest = read[i];
        while (const auto record = first_of(rest)) {
            rest.remove_prefix(record->all.size());
            auto tokens = tokens_of_portable(record->tokens, images);
            if (tokens) {
                scores.insert(*std::move(tokens), record->logit);
            }
            if (abandoned[i]) {
                merged += record->all;
            }
        }
    }
    std::string_view newest = merged;
    while (newest.size() > options_.max_bytes) {
        newest.remove_prefix(first_of(newest)->all.size());
    }
    return std::string(newest);
}

std::optional<ScoreLog::Record> ScoreLog::first_of(std::string_view bytes) const {
    if (bytes.size() < kFixedBytes) {
        return std::nullopt;
    }
    const auto n_tokens = size_t{ number_at<Count>(bytes, 0) };
    if (n_tokens > bytes.size() - kFixedBytes) {
        return std::nullopt;
    }
    const size_t n_checked = sizeof(Count) + n_tokens + sizeof(float);
    if (xxh64(bytes.substr(0, n_checked), options_.identity) != number_at<uint64_t>(bytes, n_checked)) {
        return std::nullopt;
    }
    return Record{ bytes.substr(0, n_tokens + kFixedBytes), bytes.substr(sizeof(Count), n_tokens),
                   number_at<float>(bytes, sizeof(Count) + n_tokens) };
}

std::string ScoreLog::record_of(std::string_view tokens, float logit) const {
    std::string record;
    jina_reranker::append(record, static_cast<Count>(tokens.size()));
    record += tokens;
    jina_reranker::append(record, logit);
    jina_reranker::append(record, xxh64(record, options_.identity));
    return record;
}

// Where there can be none, the file that there is stays.
bool ScoreLog::begin_file() {
    const fs::path path = options_.folder / (unique_name() + ".scores");
    auto           file = std::make_unique<OwnedFile>();
    if (file->create(path)) {
        again_ = std::chrono::steady_clock::now() + options_.pause;
        return false;
    }
    file_    = std::move(file);
    path_    = path;
    n_bytes_ = 0;
    return true;
}

// Behind what a full disk cuts off nobody reads, so that is taken back.
bool ScoreLog::write(std::string_view records) {
    if (!file_->write(records)) {
        n_bytes_ += records.size();
        return true;
    }
    again_ = std::chrono::steady_clock::now() + options_.pause;
    if (file_->cut(n_bytes_)) {
        file_.reset();
    }
    return false;
}

void ScoreLog::append(std::string_view records) {
    if (!file_ || std::chrono::steady_clock::now() < again_) {
        return;
    }
    if (n_bytes_ + records.size() > options_.max_bytes) {
        const fs::path full = path_;
        if (!begin_file()) {
            return;
        }
        std::error_code ignored;
        fs::remove(previous_, ignored);
        previous_ = full;
    }
    write(records);
}

}  // namespace jina_reranker
