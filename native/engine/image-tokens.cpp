#include "image-tokens.h"

#include "error.h"

#include <functional>

namespace jina_reranker {

int32_t ImageTokens::token_of(const std::string & hash) {
    const uint64_t        key = std::hash<std::string>()(hash);
    const std::lock_guard lock(mutex_);
    if (const auto known = known_.find(key, hash)) {
        return *known;
    }
    if (last_ == INT32_MIN) {
        throw Error(ErrorCode::engine_error, "no number is left for another image");
    }
    last_ -= 1;
    known_.insert(key, hash, last_, hash.size() + sizeof(last_));
    return last_;
}

}  // namespace jina_reranker
