#include "image-rows.h"

#include <algorithm>

namespace jina_reranker {

ImageRows::ImageRows(const std::vector<int32_t> & tokens, const std::vector<RequestImage> & images) {
    int32_t position = 0;
    for (size_t i = 0; i < tokens.size();) {
        const auto found = std::find_if(images.begin(), images.end(),
                                        [&](const RequestImage & image) { return image.token == tokens[i]; });
        if (found == images.end()) {
            positions_.push_back({ position, position, position });
            ++position;
            ++i;
            continue;
        }
        const Image & image = *found->image;
        for (int32_t row = 0; row < image.n_rows(); ++row) {
            for (int32_t column = 0; column < image.n_columns(); ++column) {
                positions_.push_back({ position, position + row, position + column });
            }
        }
        const auto begin = static_cast<int32_t>(i);
        spans_.push_back({ found->token, begin, begin + image.n_tokens(), nullptr });
        position += std::max(image.n_rows(), image.n_columns());
        i += static_cast<size_t>(image.n_tokens());
    }
}

bool ImageRows::needs(int32_t image, int32_t n_known) const {
    return std::any_of(spans_.begin(), spans_.end(),
                       [&](const Span & span) { return span.image == image && span.end > n_known; });
}

bool ImageRows::complete(int32_t n_known) const {
    return std::all_of(spans_.begin(), spans_.end(),
                       [&](const Span & span) { return span.embeddings || span.end <= n_known; });
}

void ImageRows::give(int32_t image, const EmbeddingsPtr & embeddings) {
    for (Span & span : spans_) {
        if (span.image == image) {
            span.embeddings = embeddings;
        }
    }
}

MixedRows ImageRows::rows(const std::vector<int32_t> & tokens, int32_t begin, int32_t end) const {
    MixedRows rows;
    rows.tokens.assign(tokens.begin() + begin, tokens.begin() + end);
    rows.positions.assign(positions_.begin() + begin, positions_.begin() + end);
    for (const Span & span : spans_) {
        const int32_t first = std::max(begin, span.begin);
        const int32_t last  = std::min(end, span.end);
        if (first >= last) {
            continue;
        }
        const auto   n_embd = static_cast<size_t>(span.embeddings->n_embd);
        const size_t from   = static_cast<size_t>(first - span.begin) * n_embd;
        const size_t n      = static_cast<size_t>(last - first) * n_embd;
        const size_t n_done = rows.embeddings.size();
        rows.embeddings.resize(n_done + n);
        ggml_fp16_to_fp32_row(span.embeddings->numbers.data() + from, rows.embeddings.data() + n_done,
                              static_cast<int64_t>(n));
    }
    return rows;
}

}  // namespace jina_reranker
