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
    names_.insert(std::hash<int32_t>()(last_), last_, hash, hash.size() + sizeof(last_));
    return last_;
}

std::optional<std::string> ImageTokens::name_of(int32_t token) {
    return names_.find(std::hash<int32_t>()(token), token);
}

}  // namespace jina_reranker
