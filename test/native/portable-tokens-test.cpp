// Tokens as they mean the same in every process.

#include "check.h"
#include "portable-tokens.h"

using namespace jina_reranker;

namespace {

using Tokens = std::vector<llama_token>;

void images_are_known_by_their_names() {
    ImageTokens  here;
    const auto   page   = here.token_of("page");
    const auto   chart  = here.token_of("chart");
    const Tokens tokens = { 5, 6, chart, chart, 7, page, chart, 8 };
    const auto   bytes  = portable_tokens(tokens, tokens.size(), here);
    CHECK(bytes.has_value());
    ImageTokens there;
    there.token_of("another");
    const auto arrived = tokens_of_portable(*bytes, there);
    CHECK(arrived.has_value());
    const auto far_chart = there.token_of("chart");
    const auto far_page  = there.token_of("page");
    CHECK(*arrived == Tokens({ 5, 6, far_chart, far_chart, 7, far_page, far_chart, 8 }));
    CHECK(portable_tokens(*arrived, arrived->size(), there) == bytes);
}

void only_the_first_tokens_count() {
    ImageTokens  images;
    const Tokens tokens = { 1, 2, 3, images.token_of("page") };
    CHECK(portable_tokens(tokens, 3, images) == portable_tokens({ 1, 2, 3 }, 3, images));
    CHECK(portable_tokens(tokens, 2, images) != portable_tokens(tokens, 3, images));
}

void a_forgotten_image_has_none() {
    ImageTokens  images;
    const Tokens tokens = { 1, -77 };
    CHECK(!portable_tokens(tokens, tokens.size(), images));
}

void wrong_bytes_are_no_tokens() {
    ImageTokens  images;
    const Tokens tokens = { 5, images.token_of("page"), 6 };
    const auto   whole  = *portable_tokens(tokens, tokens.size(), images);
    for (size_t n = 0; n < whole.size(); ++n) {
        CHECK(!tokens_of_portable(whole.substr(0, n), images));
    }
    CHECK(!tokens_of_portable(whole + "x", images));
    // What a damaged count or number may be: no memory is taken for it, and nothing read behind the end.
    for (size_t at = 0; at < whole.size(); ++at) {
        for (const char byte : { '\x7f', '\x80', '\xff' }) {
            std::string damaged = whole;
            damaged[at]         = byte;
            static_cast<void>(tokens_of_portable(damaged, images));
        }
    }
}

}  // namespace

int main() {
    return check::run({
        { "images are known by their names", images_are_known_by_their_names },
        { "only the first tokens count", only_the_first_tokens_count },
        { "a forgotten image has none", a_forgotten_image_has_none },
        { "wrong bytes are no tokens", wrong_bytes_are_no_tokens },
    });
}
