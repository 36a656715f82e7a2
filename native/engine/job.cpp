#include "job.h"

#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>

namespace jina_reranker {

namespace {

void find_duplicates(Job & job, bool deduplicate) {
    std::unordered_map<std::string_view, uint32_t> seen_texts;
    std::unordered_map<int32_t, uint32_t>          seen_images;
    for (const Content & document : job.request.documents) {
        const auto           index = static_cast<uint32_t>(job.first_of.size());
        const RequestImage * image = image_of(document);
        uint32_t             first = index;
        if (deduplicate) {
            first = image == nullptr ? seen_texts.emplace(std::get<std::string>(document), index).first->second :
                                       seen_images.emplace(image->token, index).first->second;
        }
        job.first_of.push_back(first);
        if (first == index) {
            job.distinct.push_back(index);
        }
    }
}

constexpr float kUnscored = std::numeric_limits<float>::quiet_NaN();  // no score is: score_of_logit() throws then

}  // namespace

Job::Job(ScoreRequest asked, JobCallback callback, bool deduplicate) :
    request(std::move(asked)),
    on_done(std::move(callback)),
    submitted(Clock::now()) {
    const size_t n_pairs = request.documents.size();
    if (request.query) {
        result.scores.resize(n_pairs, kUnscored);
        result.logits.resize(n_pairs, kUnscored);
    }
    result.prompt_tokens.resize(n_pairs);
    result.dropped_tokens.resize(n_pairs);
    find_duplicates(*this, deduplicate);
}

}  // namespace jina_reranker
