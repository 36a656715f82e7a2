#include "image-patches.h"

#include "error.h"

#include <array>
#include <cstddef>
#include <string>

namespace jina_reranker {

namespace {

void require_sides(const Image & image) {
    const auto of_tokens = [](int32_t side) {
        return side > 0 && side % kTokenPixels == 0;
    };
    const auto n_bytes = static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3;
    if (!of_tokens(image.width) || !of_tokens(image.height) || image.rgb.size() != n_bytes) {
        throw Error(ErrorCode::invalid_argument,
                    "an image of " + std::to_string(image.width) + " × " + std::to_string(image.height) +
                        " pixels in " + std::to_string(image.rgb.size()) + " bytes, expected multiples of " +
                        std::to_string(kTokenPixels) + " in 3 bytes a pixel");
    }
}

}  // namespace

ImagePatches patches_of(const Image & image, const VisionShape & shape) {
    require_sides(image);
    // What a byte becomes in each colour.
    std::array<std::array<float, 256>, 3> normalised{};
    for (size_t colour = 0; colour < normalised.size(); ++colour) {
        for (size_t byte = 0; byte < 256; ++byte) {
            normalised[colour][byte] = (static_cast<float>(byte) / 255.0f - shape.mean[colour]) / shape.std[colour];
        }
    }
    ImagePatches patches;
    patches.numbers.reserve(image.rgb.size());
    const auto add = [&](int32_t row, int32_t column) {
        patches.rows.push_back(row);
        patches.columns.push_back(column);
        for (size_t colour = 0; colour < normalised.size(); ++colour) {
            for (int32_t y = row * kPatchPixels; y < (row + 1) * kPatchPixels; ++y) {
                const auto pixel = static_cast<size_t>(y) * static_cast<size_t>(image.width) +
                                   static_cast<size_t>(column) * static_cast<size_t>(kPatchPixels);
                for (size_t x = 0; x < static_cast<size_t>(kPatchPixels); ++x) {
                    patches.numbers.push_back(normalised[colour][image.rgb[(pixel + x) * 3 + colour]]);
                }
            }
        }
    };
    for (int32_t row = 0; row < image.height / kPatchPixels; row += kMergedSide) {
        for (int32_t column = 0; column < image.width / kPatchPixels; column += kMergedSide) {
            for (int32_t i = 0; i < kTokenPatches; ++i) {
                add(row + i / kMergedSide, column + i % kMergedSide);
            }
        }
    }
    return patches;
}

}  // namespace jina_reranker
