// The vision tower with random weights: the same bits whatever was computed before, in any slices, with any number of threads;
// and its memory. test/native/vision.test.ts makes the weights and runs this; test/engine/vision.test.ts compares its numbers.
//
//     vision-test LIBRARIES MMPROJ.gguf EMBEDDING_LENGTH

#include "backend.h"
#include "check.h"
#include "cpu-backend.h"
#include "error.h"
#include "vision.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <random>
#include <string>

using namespace jina_reranker;

namespace {

struct Arguments {
    std::string path;
    int32_t     n_embd = 0;
};

Arguments & arguments() {
    static Arguments instance;
    return instance;
}

constexpr int32_t kMaxTokens = 768;

// A tower and what it rests on.
struct Tower {
    explicit Tower(int32_t n_threads = 2) :
        file(arguments().path),
        backend(cpu_backend(n_threads)),
        weights(file, check_mmproj(file, arguments().n_embd), ggml_backend_get_device(backend.get()), LoadProgress()),
        vision(weights, backend.get(), { n_threads, kMaxTokens }) {}

    std::vector<float> embed(const Image & image, int32_t n_layers = 1000) {
        vision.begin(image);
        while (vision.step(n_layers)) {
        }
        return vision.take();
    }

    GgufFile         file;
    ggml_backend_ptr backend;
    VisionWeights    weights;
    Vision           vision;
};

Image random_image(int32_t n_columns, int32_t n_rows, uint32_t seed) {
    Image image;
    image.width  = n_columns * kTokenPixels;
    image.height = n_rows * kTokenPixels;
    image.rgb.resize(static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3);
    std::mt19937 random(seed);
    std::generate(image.rgb.begin(), image.rgb.end(), [&] { return static_cast<uint8_t>(random()); });
    return image;
}

void gives_a_row_of_embeddings_for_each_token() {
    Tower      tower;
    const auto embeddings = tower.embed(random_image(3, 5, 1));
    CHECK_EQUAL(embeddings.size(), static_cast<size_t>(15 * arguments().n_embd));
    CHECK(std::all_of(embeddings.begin(), embeddings.end(), [](float number) { return std::isfinite(number); }));
    CHECK(std::adjacent_find(embeddings.begin(), embeddings.end()) == embeddings.end());
}

void gives_the_same_bits_in_any_slices() {
    Tower       tower;
    const Image image    = random_image(7, 4, 2);
    const auto  expected = tower.embed(image);
    for (const int32_t n_layers : { 1, 2 }) {
        CHECK(tower.embed(image, n_layers) == expected);
    }
}

void gives_the_same_bits_after_anything() {
    Tower       tower;
    const Image image    = random_image(5, 6, 3);
    const auto  expected = tower.embed(image);
    const auto  other    = tower.embed(random_image(11, 9, 4));
    CHECK(tower.embed(image) == expected);
    tower.vision.begin(random_image(2, 2, 5));
    tower.vision.step(1);  // and no more of it
    CHECK(tower.embed(image) == expected);
    tower.vision.begin(image);
    tower.vision.step(1);
    tower.vision.cancel();
    CHECK_ERROR(tower.vision.step(1), ErrorCode::invalid_argument);
    CHECK(tower.embed(image) == expected);
    tower.vision.release();
    CHECK(tower.embed(image) == expected);
    CHECK(tower.embed(random_image(11, 9, 4)) == other);
}

void gives_the_same_bits_with_any_number_of_threads() {
    const Image        image = random_image(9, 3, 6);
    std::vector<float> expected;
    for (const int32_t n_threads : { 1, 2, 3 }) {
        Tower      tower(n_threads);
        const auto given = tower.embed(image);
        expected         = expected.empty() ? given : expected;
        CHECK(given == expected);
    }
}

void keeps_its_memory_until_it_is_told_to_release_it() {
    Tower tower;
    CHECK_EQUAL(tower.vision.n_bytes(), 0U);
    tower.embed(random_image(2, 2, 7));
    const uint64_t n_bytes = tower.vision.n_bytes();
    CHECK(n_bytes > 0);
    tower.embed(random_image(32, 24, 8), 1);  // 768 tokens
    CHECK_EQUAL(tower.vision.n_bytes(), n_bytes);
    constexpr uint64_t kPatches = uint64_t{ kMaxTokens } * kTokenPatches;
    const auto         n_head   = static_cast<uint64_t>(tower.weights.shape().n_head);
    CHECK(n_bytes < kPatches * kPatches * sizeof(float) * n_head);  // less than the scores alone
    tower.vision.release();
    CHECK_EQUAL(tower.vision.n_bytes(), 0U);
    tower.vision.release();
}

void refuses_what_is_no_image_for_it() {
    Tower tower;
    Image image = random_image(2, 3, 9);
    image.width += 1;
    CHECK_ERROR(tower.vision.begin(image), ErrorCode::invalid_argument);
    image.width -= 1;
    image.rgb.pop_back();
    CHECK_ERROR(tower.vision.begin(image), ErrorCode::invalid_argument);
    CHECK_ERROR(tower.vision.begin({ 0, 0, {} }), ErrorCode::invalid_argument);
    CHECK_ERROR(tower.vision.begin({ -28, -28, std::vector<uint8_t>(2352) }), ErrorCode::invalid_argument);
    CHECK_ERROR(tower.vision.begin(random_image(769, 1, 1)), ErrorCode::invalid_argument);
    CHECK_ERROR(tower.vision.step(1), ErrorCode::invalid_argument);
    CHECK_ERROR(tower.vision.take(), ErrorCode::invalid_argument);
    tower.vision.begin(random_image(2, 2, 1));
    CHECK_ERROR(tower.vision.take(), ErrorCode::invalid_argument);
    CHECK_ERROR(tower.vision.step(0), ErrorCode::invalid_argument);
    CHECK(!tower.vision.step(1000));
    CHECK_ERROR(tower.vision.step(1), ErrorCode::invalid_argument);
    CHECK_EQUAL(tower.vision.take().size(), static_cast<size_t>(4 * arguments().n_embd));
    CHECK_ERROR(tower.vision.take(), ErrorCode::invalid_argument);
}

void ends_when_its_backend_is_told_to() {
    Tower       tower;
    const Image image    = random_image(4, 4, 10);
    const auto  expected = tower.embed(image);
    auto *      device   = ggml_backend_get_device(tower.backend.get());
    const auto  set      = reinterpret_cast<ggml_backend_set_abort_callback_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_set_abort_callback"));
    set(
        tower.backend.get(), [](void *) { return true; }, nullptr);
    tower.vision.begin(image);
    CHECK_ERROR(tower.vision.step(1), ErrorCode::engine_error);
    CHECK_ERROR(tower.vision.step(1), ErrorCode::invalid_argument);
    set(tower.backend.get(), nullptr, nullptr);
    CHECK(tower.embed(image) == expected);
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 4) {
        std::cerr << "usage: vision-test LIBRARIES MMPROJ.gguf EMBEDDING_LENGTH\n";
        return 2;
    }
    load_backends(argv[1]);
    arguments() = { argv[2], std::atoi(argv[3]) };
    return check::run({
        { "gives a row of embeddings for each token", gives_a_row_of_embeddings_for_each_token },
        { "gives the same bits in any slices", gives_the_same_bits_in_any_slices },
        { "gives the same bits after anything", gives_the_same_bits_after_anything },
        { "gives the same bits with any number of threads", gives_the_same_bits_with_any_number_of_threads },
        { "keeps its memory until it is told to release it", keeps_its_memory_until_it_is_told_to_release_it },
        { "refuses what is no image for it", refuses_what_is_no_image_for_it },
        { "ends when its backend is told to", ends_when_its_backend_is_told_to },
    });
}
