#pragma once

// The score cache on disk: scores are appended to a file that this process owns, and read at the next start. Files of processes that
// ended are merged into it. Each record has a checksum; what comes behind a damaged one is not read. The constructor runs on the
// thread that loads, the rest on that which writes.

#include "image-tokens.h"
#include "score-cache.h"
#include "shared-file.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace jina_reranker {

struct ScoreLogOptions {
    std::filesystem::path folder;         // of this identity
    uint64_t              identity  = 0;  // of all that a score depends on but its tokens
    size_t                max_bytes = 0;  // of a file; there are two at most

    std::chrono::milliseconds pause = kTryAgain;  // after a write that failed
};

class ScoreLog {
  public:
    // Fills the cache with the scores that are there. Where the folder cannot be written, scores are not kept.
    ScoreLog(ScoreLogOptions options, ScoreCache & scores, ImageTokens & images);

    // records: record_of() of several scores, one after the other. They are dropped where they cannot be written.
    void append(std::string_view records);

    // tokens: portable_tokens().
    std::string record_of(std::string_view tokens, float logit) const;

  private:
    struct Record {
        std::string_view all;
        std::string_view tokens;
        float            logit = 0;
    };

    std::string           read_all(ScoreCache & scores, ImageTokens & images);
    std::optional<Record> first_of(std::string_view bytes) const;
    bool                  begin_file();
    bool                  write(std::string_view records);

    ScoreLogOptions            options_;
    std::unique_ptr<OwnedFile> file_;  // none = scores are not kept
    std::filesystem::path      path_;
    std::filesystem::path      previous_;  // full
    size_t                     n_bytes_ = 0;

    std::chrono::steady_clock::time_point again_;  // none is written before
};

}  // namespace jina_reranker
