#pragma once

// An image as the model sees it, and what stands for it in a request.

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace jina_reranker {

constexpr int32_t kPatchPixels  = 14;                          // of a side of a patch
constexpr int32_t kMergedSide   = 2;                           // patches of a side of the block that becomes a token
constexpr int32_t kTokenPixels  = kPatchPixels * kMergedSide;  // of a side of a token
constexpr int32_t kTokenPatches = kMergedSide * kMergedSide;

// As the model's processor resized it: both sides are multiples of kTokenPixels.
struct Image {
    int32_t              width  = 0;
    int32_t              height = 0;
    std::vector<uint8_t> rgb;  // [height][width][3]

    int32_t n_columns() const { return width / kTokenPixels; }

    int32_t n_rows() const { return height / kTokenPixels; }

    int32_t n_tokens() const { return n_columns() * n_rows(); }
};

// An image of a request.
struct RequestImage {
    std::shared_ptr<const Image> image;
    std::string                  hash;       // of the pixels: images of the same size and hash are taken for the same
    int32_t                      token = 0;  // below 0: stands for each of its rows in a prompt; given by ImageTokens
};

// A query or a document: text in UTF-8, or an image.
using Content = std::variant<std::string, RequestImage>;

inline const RequestImage * image_of(const Content & content) {
    return std::get_if<RequestImage>(&content);
}

}  // namespace jina_reranker
