#pragma once

// The images that pairs wait for. Each is encoded once, step by step, on the account of one of the jobs that wait for it: of the one
// with the highest priority, and of another when that is gone. Engine thread only.

#include "batch-planner.h"
#include "counters.h"
#include "image-encoder.h"
#include "image-rows.h"
#include "job-queue.h"
#include "pairs.h"

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace jina_reranker {

class PendingImages {
  public:
    // All of these outlive it.
    PendingImages(BatchPlanner & planner, ImageEncoder & encoder, JobQueue & queue, Counters & counters) :
        planner_(planner),
        encoder_(encoder),
        queue_(queue),
        counters_(counters) {}

    // The rows of a pair's images, with the embeddings that are known. The pair waits for the others.
    ImageRows find(const PairId & id, const Pair & pair, const std::vector<JobQueue::PairImage> & images);

    // Nothing of the job waits any more. To be called before the planner forgets it.
    void remove_job(uint64_t job);

    // The jobs that wait for an image, in order.
    std::vector<uint64_t> jobs_of(int32_t image) const;

    struct Encoded {
        EmbeddingsPtr       embeddings;
        std::vector<PairId> pairs;  // that waited for them
    };

    // Computes a step that the planner planned; the image is gone from here after its last one. Throws as ImageEncoder.
    std::optional<Encoded> run(const PlannedStep & step);

  private:
    struct Image {
        RequestImage              image;
        std::map<PairId, int32_t> pairs;       // that wait for it, and their costs
        std::vector<uint64_t>     counted;     // the jobs that count its work as waiting
        PairId                    owner;       // whose job it is planned for
        int32_t                   n_done = 0;  // steps
    };

    // cost: the pair's, as the planner takes it.
    void add(const JobQueue::PairImage & image, const PairId & pair, int32_t cost);
    void hand_over(Image & image, const std::pair<const PairId, int32_t> & to);

    BatchPlanner &           planner_;
    ImageEncoder &           encoder_;
    JobQueue &               queue_;
    Counters &               counters_;
    std::map<int32_t, Image> images_;  // by their numbers
};

}  // namespace jina_reranker
