#include "pair-loads.h"

#include <algorithm>
#include <string>
#include <variant>

namespace jina_reranker {

namespace {

constexpr uint64_t kBytesPerToken = 4;   // of English text
constexpr uint64_t kFixedTokens   = 10;  // of a prompt: its headings and the score token

// Counted of an image, estimated of a text.
uint64_t n_tokens_of(const Content & content) {
    const RequestImage * image = image_of(content);
    return image == nullptr ? std::get<std::string>(content).size() / kBytesPerToken :
                              static_cast<uint64_t>(image->image->n_tokens());
}

}  // namespace

Load PairLoads::of(int64_t begin, int64_t end) const {
    return { static_cast<uint64_t>(end - begin), token_work_.of(begin, end) };
}

Load PairLoads::estimate(const ScoreRequest & request, size_t document) const {
    uint64_t n_tokens = n_tokens_of(request.documents[document]);
    if (request.cut.max_tokens > 0) {
        n_tokens = std::min(n_tokens, static_cast<uint64_t>(request.cut.max_tokens));
    }
    n_tokens += request.instruction.size() / kBytesPerToken + kFixedTokens;
    n_tokens += request.query ? n_tokens_of(*request.query) : 0;
    n_tokens  = std::min(n_tokens, static_cast<uint64_t>(context_size_));
    Load load = of(0, static_cast<int64_t>(n_tokens));
    load.work += image_work(request.documents[document]);
    return load;
}

double PairLoads::image_work(const Content & content) const {
    const RequestImage * image = image_of(content);
    return image == nullptr ? 0 : image_work_ * image->image->n_tokens();
}

}  // namespace jina_reranker
