#pragma once

// KV states of documents on disk, in a folder that several processes and hosts may share. What is there is checked before it is
// believed, and what is wrong is removed. Files are read on one thread and written on another; the engine thread asks, and later
// takes the answers. Where the folder cannot be read or written, states are computed, and the log says so once.

#include "counters.h"
#include "disk-thread.h"
#include "state-file.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

namespace jina_reranker {

struct StoreOptions {
    std::filesystem::path folder;
    uint64_t max_bytes = 0;  // of all states in the folder, whoever wrote them: those used least recently go first
    uint64_t identity  = 0;  // see StateKey
};

class DocumentStore {
  public:
    // on_answer: called on the store's threads. abort: outlives the store. Throws engine_error where no thread can be started.
    DocumentStore(StoreOptions              options,
                  Counters &                counters,
                  std::function<void()>     on_answer,
                  const std::atomic<bool> & abort);
    // Waits for a while until everything is written, unless `abort` is set, even meanwhile.
    ~DocumentStore();

    DocumentStore(const DocumentStore &)             = delete;
    DocumentStore & operator=(const DocumentStore &) = delete;
    DocumentStore(DocumentStore &&)                  = delete;
    DocumentStore & operator=(DocumentStore &&)      = delete;

    struct Answer {
        uint64_t   request = 0;
        bool       stored  = false;  // whether the folder has the state
        StateBytes bytes;            // of a read, if it is stored
    };

    // Whether more should be looked for or read: not while a disk that hangs has many reads for which nobody waits any more, those
    // that were given up and n_late others.
    bool takes_reads(size_t n_late) const;

    // Each returns the number of the request that is answered. tokens: portable_tokens(). n_bytes: of the state.
    uint64_t read(std::string tokens, size_t n_bytes);
    // Whether a state is there; it counts as used. It is not checked before it is read.
    uint64_t look(std::string tokens);
    // Does nothing where the state is there.
    uint64_t write(std::string tokens, std::vector<char> state);

    // Nobody waits for this read or look any more: it is not begun if it was not.
    void give_up(uint64_t request);

    // That a state which need not be read was used.
    void touch(std::string tokens);

    // On the thread that writes. n_bytes: that the task has; it is dropped where others wait with many.
    void post(size_t n_bytes, DiskThread::Task task);

    std::vector<Answer> take_answers();

    // Whether another state may be written: they wait in memory until they are. n_coming: bytes of states that will be written
    // besides. However large one is, it may when no other waits.
    bool has_room(size_t n_coming = 0) const;

  private:
    friend struct StoreProbe;  // the tests', which makes a disk slow

    void     answer(Answer answer);
    uint64_t next_request();
    bool     is_wanted(uint64_t request);
    void     do_read(uint64_t request, const StateKey & key, size_t n_bytes);
    bool     do_write(const StateKey & key, const std::vector<char> & state);
    bool     mark_used(const std::filesystem::path & path) const;
    void     remove_wrong(const std::filesystem::path & path);
    void     trim(uint64_t n_more);
    void     note(bool & failing, const std::string & what, const std::error_code & error);

    StoreOptions              options_;
    Counters &                counters_;
    std::function<void()>     on_answer_;
    const std::atomic<bool> & abort_;

    mutable std::mutex           mutex_;
    std::condition_variable      taken_;
    std::vector<Answer>          answers_;
    std::unordered_set<uint64_t> unwanted_;  // that were given up
    size_t                       n_answered_bytes_ = 0;
    size_t                       n_waiting_bytes_  = 0;  // to be written
    size_t                       n_posted_bytes_   = 0;  // of other tasks of the thread that writes
    size_t                       most_waiting_;          // of each of these
    size_t                       most_unwanted_;
    uint64_t                     last_request_ = 0;
    bool                         closed_       = false;

    // Of one of the two threads each.
    bool                                  read_fails_  = false;
    bool                                  write_fails_ = false;
    bool                                  wrong_known_ = false;
    std::chrono::steady_clock::time_point write_again_;
    uint64_t                              n_bytes_  = 0;  // in the folder, by the last count and what was written since
    uint64_t                              n_recent_ = 0;  // written since

    std::unique_ptr<DiskThread> reader_;
    std::unique_ptr<DiskThread> writer_;
};

}  // namespace jina_reranker
