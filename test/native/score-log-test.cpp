// The score cache on disk: what was written comes back, of two files the newer ones, and a disk that takes no more costs nothing of what
// is there.

#include "check.h"
#include "portable-tokens.h"
#include "score-log.h"
#include "store-support.h"

#include <algorithm>
#include <csignal>
#include <cstdint>

#ifndef _WIN32
#    include <sys/resource.h>
#endif

using namespace jina_reranker;

namespace {

namespace fs = std::filesystem;

constexpr int32_t kTokens = 100;

// A log of files for about ten scores, with the numbers of scores that it has.
class Log {
  public:
    explicit Log(const fs::path & folder) :
        scores_(1 << 20),
        log_({ folder, 1, size_t{ 10 } * (kTokens + 20) * 4, std::chrono::milliseconds(0) }, scores_, images_) {}

    void append(int32_t number) {
        log_.append(log_.record_of(*portable_tokens(tokens(number), kTokens, images_), static_cast<float>(number)));
    }

    bool has(int32_t number) { return scores_.find(tokens(number)) == static_cast<float>(number); }

  private:
    static std::vector<llama_token> tokens(int32_t number) {
        std::vector<llama_token> tokens(kTokens, 7);
        tokens.front() = number;
        return tokens;
    }

    ImageTokens images_;
    ScoreCache  scores_;
    ScoreLog    log_;
};

void gives_back_the_newest() {
    const TemporaryFolder folder;
    {
        Log log(folder.path());
        for (int32_t i = 0; i < 200; ++i) {
            log.append(i);
        }
    }
    CHECK_EQUAL(folder.files().size(), 2U);
    Log log(folder.path());
    CHECK(log.has(199) && log.has(190));
    CHECK(!log.has(0));
}

#ifndef _WIN32
// This process's files can grow to so many bytes until it is gone, as on a full disk.
class FullDisk {
  public:
    explicit FullDisk(rlim_t n_bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{ n_bytes, before_.rlim_max };
        setrlimit(RLIMIT_FSIZE, &limit);
    }

    ~FullDisk() {
        setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

    FullDisk(const FullDisk &)             = delete;
    FullDisk & operator=(const FullDisk &) = delete;
    FullDisk(FullDisk &&)                  = delete;
    FullDisk & operator=(FullDisk &&)      = delete;

  private:
    void (*handler_)(int);
    rlimit before_{};
};

void keeps_what_there_is_while_the_disk_is_full() {
    const TemporaryFolder folder;
    {
        Log     log(folder.path());
        int32_t number = 0;
        while (folder.files().size() < 2) {
            log.append(number++);
        }
        {
            const auto     files = folder.files();
            const FullDisk full(std::min(fs::file_size(files[0]), fs::file_size(files[1])) + 50);  // amid a record
            for (int32_t i = 1000; i < 1050; ++i) {
                log.append(i);
            }
        }
        CHECK_EQUAL(folder.files().size(), 2U);
        log.append(2000);
    }
    Log log(folder.path());
    CHECK(log.has(0) && log.has(5));
    CHECK(log.has(2000));
    CHECK(!log.has(1000) && !log.has(1049));
}
#endif

void keeps_what_there_is_while_no_file_can_be_created() {
    const TemporaryFolder folder;
    const fs::path        away = folder.path().u8string() + "-away";
    {
        Log     log(folder.path());
        int32_t number = 0;
        while (folder.files().size() < 2) {
            log.append(number++);
        }
        fs::rename(folder.path(), away);
        for (int32_t i = 0; i < 200; ++i) {
            log.append(1000 + i);
        }
        fs::rename(away, folder.path());
        CHECK_EQUAL(folder.files().size(), 2U);
        log.append(2000);
    }
    Log log(folder.path());
    CHECK(log.has(2000));
}

}  // namespace

int main() {
    return check::run({
        { "gives back the newest", gives_back_the_newest },
#ifndef _WIN32
        { "keeps what there is while the disk is full", keeps_what_there_is_while_the_disk_is_full },
#endif
        { "keeps what there is while no file can be created", keeps_what_there_is_while_no_file_can_be_created },
    });
}
