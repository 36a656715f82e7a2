// XXH64, against digests that its other implementations give.

#include "check.h"
#include "xxh64.h"

#include <random>
#include <string>

using namespace jina_reranker;

namespace {

void gives_the_known_digests() {
    CHECK_EQUAL(xxh64(""), 0xEF46DB3751D8E999U);
    CHECK_EQUAL(xxh64("a"), 0xD24EC4F1A98C6E5BU);
    CHECK_EQUAL(xxh64("abc"), 0x44BC2CF5AD770999U);
    CHECK_EQUAL(xxh64("xxhash", 20141025), 13067679811253438005U);
    CHECK_EQUAL(xxh64("Nobody inspects the spammish repetition"), 0xFBCEA83C8A378BF1U);
}

void does_not_depend_on_the_pieces() {
    std::mt19937 random(1);
    std::string  bytes(200, '\0');
    for (char & byte : bytes) {
        byte = static_cast<char>(random());
    }
    for (size_t length = 0; length <= bytes.size(); ++length) {
        const std::string_view whole = std::string_view(bytes).substr(0, length);
        Xxh64                  hash(7);
        for (std::string_view rest = whole; !rest.empty();) {
            const size_t n = std::min<size_t>(rest.size(), random() % 50);
            hash.update(rest.substr(0, n));
            rest.remove_prefix(n);
        }
        CHECK_EQUAL(hash.digest(), xxh64(whole, 7));
    }
}

void changes_with_every_bit() {
    std::string    bytes(100, 'x');
    const uint64_t before = xxh64(bytes);
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
        CHECK(xxh64(bytes) != before);
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    }
}

}  // namespace

int main() {
    return check::run({
        { "gives the known digests", gives_the_known_digests },
        { "does not depend on the pieces", does_not_depend_on_the_pieces },
        { "changes with every bit", changes_with_every_bit },
    });
}
