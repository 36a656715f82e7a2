#include "pending-images.h"

#include <algorithm>

namespace jina_reranker {

ImageRows PendingImages::find(const PairId & id, const Pair & pair, const std::vector<JobQueue::PairImage> & images) {
    std::vector<RequestImage> all;
    for (const JobQueue::PairImage & image : images) {
        all.push_back(image.image);
    }
    ImageRows rows(pair.tokens, all);
    for (const JobQueue::PairImage & image : images) {
        const int32_t number = image.image.token;
        const bool    needed = rows.needs(number, pair.n_shared);
        EmbeddingsPtr known  = needed ? encoder_.find(number) : nullptr;
        if (needed && !known) {
            add(image, id, pair.cost);
            continue;
        }
        if (known) {
            counters_.images_reused += 1;
            rows.give(number, known);
        }
        if (image.counted) {
            const auto & pixels = *image.image.image;
            queue_.add_image_work(id.first, encoder_.work_per_step(pixels) * encoder_.n_steps(pixels));
        }
    }
    return rows;
}

void PendingImages::add(const JobQueue::PairImage & added, const PairId & pair, int32_t cost) {
    auto [entry, is_new]   = images_.try_emplace(added.image.token);
    Image &      image     = entry->second;
    const auto & pixels    = *added.image.image;
    const auto   this_pair = image.pairs.emplace(pair, cost).first;
    const double step_work = encoder_.work_per_step(pixels);
    if (is_new) {
        image.image = added.image;
        image.owner = pair;
        planner_.add_image(pair.first, added.image.token, encoder_.n_steps(pixels), step_work, cost);
    } else if (cost < image.pairs.at(image.owner)) {
        hand_over(image, *this_pair);
    }
    if (added.counted) {
        image.counted.push_back(pair.first);
        queue_.add_image_work(pair.first, step_work * image.n_done);
    }
}

void PendingImages::hand_over(Image & image, const std::pair<const PairId, int32_t> & to) {
    planner_.hand_over(image.owner.first, image.image.token, to.first.first, to.second);
    image.owner = to.first;
}

void PendingImages::remove_job(uint64_t job) {
    for (auto entry = images_.begin(); entry != images_.end();) {
        Image & image = entry->second;
        image.pairs.erase(image.pairs.lower_bound({ job, 0 }), image.pairs.lower_bound({ job + 1, 0 }));
        image.counted.erase(std::remove(image.counted.begin(), image.counted.end(), job), image.counted.end());
        if (image.pairs.empty()) {
            entry = images_.erase(entry);
            continue;
        }
        if (image.owner.first == job) {
            hand_over(image, *std::min_element(image.pairs.begin(), image.pairs.end(),
                                               [](const auto & a, const auto & b) { return a.second < b.second; }));
        }
        ++entry;
    }
}

std::vector<uint64_t> PendingImages::jobs_of(int32_t image) const {
    std::vector<uint64_t> jobs;
    const auto            found = images_.find(image);
    if (found == images_.end()) {
        return jobs;
    }
    for (const auto & [pair, cost] : found->second.pairs) {
        if (jobs.empty() || jobs.back() != pair.first) {
            jobs.push_back(pair.first);
        }
    }
    return jobs;
}

std::optional<PendingImages::Encoded> PendingImages::run(const PlannedStep & step) {
    queue_.begin_batch(jobs_of(step.image));
    Image &             image      = images_.at(step.image);
    const auto          start      = Clock::now();
    const EmbeddingsPtr embeddings = encoder_.step(image.image);
    counters_.image_encode_us +=
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
    image.n_done += 1;
    for (const uint64_t job : image.counted) {
        queue_.add_image_work(job, encoder_.work_per_step(*image.image.image));
    }
    if (!embeddings) {
        return std::nullopt;
    }
    Encoded encoded{ embeddings, {} };
    for (const auto & [pair, cost] : image.pairs) {
        encoded.pairs.push_back(pair);
    }
    images_.erase(step.image);
    queue_.add_encoded(step.job);
    counters_.images_encoded += 1;
    counters_.image_bytes   = encoder_.n_bytes();
    counters_.image_entries = encoder_.n_entries();
    return encoded;
}

}  // namespace jina_reranker
