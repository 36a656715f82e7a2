#include "document-store.h"

#include "log.h"
#include "shared-file.h"
#include "state-folder.h"

#include <algorithm>
#include <utility>

namespace jina_reranker {

namespace {

namespace fs = std::filesystem;

// States that were read and wait for the engine thread, states that wait to be written, and what else waits for that, each.
constexpr size_t kMostWaiting = size_t{ 256 } << 20U;

// Reads for which nobody waits any more. On a disk that hangs they pile up, request by request; each has its document's tokens.
constexpr size_t kMostUnwanted = 1024;

// How long the end waits for writes.
constexpr auto kFlushTime = std::chrono::seconds(10);

// The folder is counted again after so much of its limit was written: others write, too.
constexpr uint64_t kCountsPerFolder = 16;

// What is left when the folder was full, so that not every write removes something.
uint64_t emptied(uint64_t max_bytes) {
    return max_bytes / 10 * 9;
}

}  // namespace

DocumentStore::DocumentStore(StoreOptions              options,
                             Counters &                counters,
                             std::function<void()>     on_answer,
                             const std::atomic<bool> & abort) :
    options_(std::move(options)),
    counters_(counters),
    on_answer_(std::move(on_answer)),
    abort_(abort),
    most_waiting_(kMostWaiting),
    most_unwanted_(kMostUnwanted),
    reader_(std::make_unique<DiskThread>()),
    writer_(std::make_unique<DiskThread>()) {
    writer_->post([this] { trim(0); });
}

DocumentStore::~DocumentStore() {
    writer_->finish(kFlushTime, abort_);
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    taken_.notify_all();
    reader_.reset();
    writer_.reset();
}

uint64_t DocumentStore::next_request() {
    const std::lock_guard lock(mutex_);
    return ++last_request_;
}

uint64_t DocumentStore::read(std::string tokens, size_t n_bytes) {
    const uint64_t request = next_request();
    reader_->post([this, request, n_bytes, key = StateKey{ options_.identity, std::move(tokens) }] {
        do_read(request, key, n_bytes);
    });
    return request;
}

uint64_t DocumentStore::look(std::string tokens) {
    const uint64_t request = next_request();
    reader_->post([this, request, key = StateKey{ options_.identity, std::move(tokens) }] {
        if (is_wanted(request)) {
            answer({ request, mark_used(options_.folder / key.path()), {} });
        }
    });
    return request;
}

uint64_t DocumentStore::write(std::string tokens, std::vector<char> state) {
    const uint64_t request = next_request();
    {
        const std::lock_guard lock(mutex_);
        n_waiting_bytes_ += state.size();
    }
    writer_->post([this, request, key = StateKey{ options_.identity, std::move(tokens) }, state = std::move(state)] {
        const bool stored = do_write(key, state);
        {
            const std::lock_guard lock(mutex_);
            n_waiting_bytes_ -= state.size();
        }
        answer({ request, stored, {} });
    });
    return request;
}

void DocumentStore::give_up(uint64_t request) {
    const std::lock_guard lock(mutex_);
    unwanted_.insert(request);
}

bool DocumentStore::takes_reads(size_t n_late) const {
    const std::lock_guard lock(mutex_);
    return unwanted_.size() + n_late < most_unwanted_;
}

bool DocumentStore::is_wanted(uint64_t request) {
    const std::lock_guard lock(mutex_);
    return unwanted_.erase(request) == 0;
}

void DocumentStore::touch(std::string tokens) {
    const size_t n_bytes = tokens.size();
    post(n_bytes,
         [this, key = StateKey{ options_.identity, std::move(tokens) }] { mark_used(options_.folder / key.path()); });
}

void DocumentStore::post(size_t n_bytes, DiskThread::Task task) {
    {
        const std::lock_guard lock(mutex_);
        if (n_posted_bytes_ >= most_waiting_) {
            return;
        }
        n_posted_bytes_ += n_bytes;
    }
    writer_->post([this, n_bytes, task = std::move(task)] {
        {
            const std::lock_guard lock(mutex_);
            n_posted_bytes_ -= n_bytes;
        }
        task();
    });
}

std::vector<DocumentStore::Answer> DocumentStore::take_answers() {
    const std::lock_guard lock(mutex_);
    for (const Answer & answer : answers_) {
        unwanted_.erase(answer.request);
    }
    n_answered_bytes_ = 0;
    taken_.notify_all();
    return std::exchange(answers_, {});
}

bool DocumentStore::has_room(size_t n_coming) const {
    const std::lock_guard lock(mutex_);
    return n_waiting_bytes_ + n_coming < most_waiting_;
}

void DocumentStore::answer(Answer answer) {
    {
        const std::lock_guard lock(mutex_);
        n_answered_bytes_ += answer.bytes.file.size();
        answers_.push_back(std::move(answer));
    }
    on_answer_();
}

void DocumentStore::do_read(uint64_t request, const StateKey & key, size_t n_bytes) {
    {
        std::unique_lock lock(mutex_);
        taken_.wait(lock, [&] { return closed_ || n_answered_bytes_ < most_waiting_; });
        if (closed_) {
            return;
        }
    }
    if (!is_wanted(request)) {
        return;
    }
    const fs::path  path = options_.folder / key.path();
    StateBytes      bytes;
    const StateRead read = read_state(path, key, n_bytes, bytes);
    if (read == StateRead::wrong) {
        remove_wrong(path);
    }
    if (read == StateRead::failed) {
        counters_.store_failures += 1;
        note(read_fails_, "cannot read " + path.u8string(), std::make_error_code(std::errc::io_error));
    }
    const bool found = read == StateRead::found;
    if (found) {
        mark_used(path);
        read_fails_ = false;
    }
    answer({ request, found, found ? std::move(bytes) : StateBytes() });
}

// Its time is when it was used last, for all who share the folder. False when it is not there.
bool DocumentStore::mark_used(const fs::path & path) const {
    std::error_code error;
    if (!fs::exists(path, error)) {
        return false;
    }
    fs::last_write_time(path, fs::file_time_type::clock::now(), error);  // a folder may be read-only
    return true;
}

void DocumentStore::remove_wrong(const fs::path & path) {
    counters_.store_failures += 1;
    std::error_code error;
    fs::remove(path, error);
    if (!std::exchange(wrong_known_, true)) {
        log_line(LogLevel::warn, "document states: " + path.u8string() +
                                     " is damaged, or another file than its name says; such files are removed" +
                                     (error ? " (this one could not be: " + error.message() + ")" : ""));
    }
}

// A line when it begins to fail; none for the failures that follow.
void DocumentStore::note(bool & failing, const std::string & what, const std::error_code & error) {
    if (!std::exchange(failing, true)) {
        log_line(LogLevel::warn,
                 "document states: " + what + ": " + error.message() + "; until it works again, they are computed");
    }
}

bool DocumentStore::do_write(const StateKey & key, const std::vector<char> & state) {
    const fs::path path = options_.folder / key.path();
    if (mark_used(path)) {
        return true;
    }
    const auto now = std::chrono::steady_clock::now();
    if (state.size() > options_.max_bytes || (write_fails_ && now < write_again_)) {
        return false;
    }
    std::error_code error;
    const auto      try_once = [&] {
        fs::create_directories(path.parent_path(), error);
        fs::create_directories(temporary_folder(options_.folder), error);
        error =
            write_state(temporary_folder(options_.folder) / unique_name(), path, key, { state.data(), state.size() });
    };
    trim(state.size());
    try_once();
    // What is written or emptied at this moment by others shows as a missing file or folder.
    if (error == std::errc::no_such_file_or_directory || error == std::errc::resource_unavailable_try_again) {
        try_once();
    }
    if (error) {
        counters_.store_failures += 1;
        write_again_ = now + kTryAgain;
        note(write_fails_, "cannot write into " + options_.folder.u8string(), error);
        return false;
    }
    write_fails_              = false;
    const uintmax_t n_written = fs::file_size(path, error);  // another process may have removed it again
    n_bytes_ += error ? 0 : n_written;
    n_recent_ += error ? 0 : n_written;
    counters_.states_stored += 1;
    counters_.store_bytes = n_bytes_;
    return true;
}

// So that the folder has room for n_more bytes. At the start, n_more is 0, it is counted.
void DocumentStore::trim(uint64_t n_more) {
    const uint64_t max_bytes = options_.max_bytes;
    if (n_more > 0 && n_bytes_ + n_more <= max_bytes && n_recent_ < max_bytes / kCountsPerFolder) {
        return;
    }
    const uint64_t n_room = max_bytes - std::min(max_bytes, n_more);
    n_bytes_              = trim_states(options_.folder, n_room, std::min(n_room, emptied(max_bytes)));
    n_recent_             = 0;
    counters_.store_bytes = n_bytes_;
}

}  // namespace jina_reranker
