#pragma once

// Memory that graphs are built in, for each of the latest shapes of a batch its own: ggml's CUDA backend finds the recording of
// a graph by the address of its first node, and replays it while its shape is the same. Engine thread only.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <utility>
#include <vector>

namespace jina_reranker {

class GraphMemory {
  public:
    using Shape = std::vector<int32_t>;

    GraphMemory(size_t n_bytes, size_t n_shapes) : n_bytes_(n_bytes), n_shapes_(n_shapes) {}

    size_t n_bytes() const { return n_bytes_; }

    // Of the shape, or of the one that was asked for least recently when there are too many.
    uint8_t * of(const Shape & shape) {
        auto found =
            std::find_if(latest_.begin(), latest_.end(), [&](const Entry & one) { return one.shape == shape; });
        if (found == latest_.end() && latest_.size() < n_shapes_) {
            // Not initialised: a graph takes little of it.
            found = latest_.insert(found, { shape, std::unique_ptr<uint8_t[]>(new uint8_t[n_bytes_]) });
        }
        found        = found == latest_.end() ? std::prev(found) : found;
        found->shape = shape;
        latest_.splice(latest_.begin(), latest_, found);
        return latest_.front().bytes.get();
    }

  private:
    struct Entry {
        Shape                      shape;
        std::unique_ptr<uint8_t[]> bytes;
    };

    size_t           n_bytes_;
    size_t           n_shapes_;
    std::list<Entry> latest_;  // the most recent first
};

}  // namespace jina_reranker
