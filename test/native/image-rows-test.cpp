// Positions, embeddings and numbers of images in prompts.

#include "check.h"
#include "image-rows.h"
#include "image-tokens.h"

#include <memory>
#include <vector>

using namespace jina_reranker;

namespace {

constexpr int32_t kEmbd = 2;

RequestImage image_of_tokens(int32_t n_columns, int32_t n_rows, int32_t token) {
    auto image    = std::make_shared<Image>();
    image->width  = n_columns * kTokenPixels;
    image->height = n_rows * kTokenPixels;
    return { image, "", token };
}

// Row i holds i and first + i.
EmbeddingsPtr embeddings(int32_t n_rows, float first) {
    auto made    = std::make_shared<Embeddings>();
    made->n_embd = kEmbd;
    for (int32_t i = 0; i < n_rows; ++i) {
        made->numbers.push_back(ggml_fp32_to_fp16(static_cast<float>(i)));
        made->numbers.push_back(ggml_fp32_to_fp16(first + static_cast<float>(i)));
    }
    return made;
}

std::vector<int32_t> prompt(const std::vector<std::pair<int32_t, int32_t>> & runs) {
    std::vector<int32_t> tokens;
    for (const auto & [token, n] : runs) {
        tokens.insert(tokens.end(), static_cast<size_t>(n), token);
    }
    return tokens;
}

void continues_text_behind_the_longer_side() {
    const auto      tokens = prompt({ { 5, 4 }, { -1, 6 }, { 7, 2 } });
    const ImageRows rows(tokens, { image_of_tokens(3, 2, -1) });
    ImageRows       given = rows;
    given.give(-1, embeddings(6, 100));
    const MixedRows             all      = given.rows(tokens, 0, 12);
    const std::vector<Position> expected = { { 0, 0, 0 }, { 1, 1, 1 }, { 2, 2, 2 }, { 3, 3, 3 },
                                             { 4, 4, 4 }, { 4, 4, 5 }, { 4, 4, 6 }, { 4, 5, 4 },
                                             { 4, 5, 5 }, { 4, 5, 6 }, { 7, 7, 7 }, { 8, 8, 8 } };
    CHECK(all.positions == expected);
    CHECK(all.tokens == tokens);
    CHECK_EQUAL(all.embeddings.size(), 12U);
}

void gives_parts_of_an_image() {
    const auto tokens = prompt({ { 5, 4 }, { -1, 6 }, { 7, 2 } });
    ImageRows  rows(tokens, { image_of_tokens(3, 2, -1) });
    rows.give(-1, embeddings(6, 100));
    const MixedRows part = rows.rows(tokens, 6, 9);
    CHECK((part.positions == std::vector<Position>{ { 4, 4, 6 }, { 4, 5, 4 }, { 4, 5, 5 } }));
    CHECK((part.embeddings == std::vector<float>{ 2, 102, 3, 103, 4, 104 }));
    CHECK(rows.rows(tokens, 10, 12).embeddings.empty());
}

void has_two_images_and_one_twice() {
    const auto tokens = prompt({ { 5, 1 }, { -1, 2 }, { 6, 1 }, { -2, 4 }, { 6, 1 }, { -1, 2 }, { 7, 1 } });
    ImageRows  rows(tokens, { image_of_tokens(2, 1, -1), image_of_tokens(1, 4, -2) });
    CHECK(!rows.complete(0));
    rows.give(-2, embeddings(4, 10));
    CHECK(!rows.complete(0));
    rows.give(-1, embeddings(2, 20));
    CHECK(rows.complete(0));
    const MixedRows all = rows.rows(tokens, 0, 12);
    CHECK((all.positions[3] == Position{ 3, 3, 3 }));  // behind 2 x 1
    CHECK((all.positions[7] == Position{ 4, 7, 4 }));  // the last row of 1 x 4
    CHECK((all.positions[8] == Position{ 8, 8, 8 }));
    CHECK((all.positions[11] == Position{ 11, 11, 11 }));
    CHECK((all.embeddings == std::vector<float>{ 0, 20, 1, 21, 0, 10, 1, 11, 2, 12, 3, 13, 0, 20, 1, 21 }));
}

void needs_no_image_whose_rows_are_known() {
    const auto      tokens = prompt({ { 5, 4 }, { -1, 6 }, { 7, 2 } });
    const ImageRows rows(tokens, { image_of_tokens(3, 2, -1) });
    CHECK(rows.needs(-1, 9));
    CHECK(!rows.needs(-1, 10));
    CHECK(!rows.needs(-2, 0));
    CHECK(!rows.complete(9));
    CHECK(rows.complete(10));
    CHECK(ImageRows().complete(0));
    CHECK(ImageRows().empty());
}

void numbers_images_by_their_hash() {
    ImageTokens   tokens;
    const int32_t first = tokens.token_of("a");
    CHECK(first < 0);
    CHECK(tokens.token_of("b") != first);
    CHECK_EQUAL(tokens.token_of("a"), first);
}

// A forgotten image is another one when it comes again: its old number may be in a cache.
void never_gives_a_number_twice() {
    ImageTokens   tokens;
    const int32_t first = tokens.token_of("0");
    int32_t       last  = first;
    for (int i = 1; i < 40000; ++i) {
        const int32_t token = tokens.token_of(std::to_string(i) + std::string(60, 'x'));
        CHECK(token < last);
        last = token;
    }
    CHECK(tokens.token_of("0") < last);
}

}  // namespace

int main() {
    return check::run({
        { "continues text behind the longer side", continues_text_behind_the_longer_side },
        { "gives parts of an image", gives_parts_of_an_image },
        { "has two images, and one twice", has_two_images_and_one_twice },
        { "needs no image whose rows are known", needs_no_image_whose_rows_are_known },
        { "numbers images by their hash", numbers_images_by_their_hash },
        { "never gives a number twice", never_gives_a_number_twice },
    });
}
