#pragma once

// An image as the vision tower takes it: its patches one after the other, those of a 2 × 2 block together, with their places in
// the grid. Pure.

#include "image.h"
#include "mmproj-check.h"

#include <cstdint>
#include <vector>

namespace jina_reranker {

constexpr int32_t kPatchNumbers = 3 * kPatchPixels * kPatchPixels;  // of a patch, by colour, row and column

struct ImagePatches {
    std::vector<float>   numbers;  // [n_patches][kPatchNumbers], normalised
    std::vector<int32_t> rows;     // [n_patches], of the grid of patches
    std::vector<int32_t> columns;

    int32_t n_patches() const { return static_cast<int32_t>(rows.size()); }
};

// Throws invalid_argument when the sides are none of tokens, or the bytes are not as many as they say.
ImagePatches patches_of(const Image & image, const VisionShape & shape);

}  // namespace jina_reranker
