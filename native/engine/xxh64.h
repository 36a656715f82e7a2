#pragma once

// XXH64, a checksum of 64 bits: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md. It tells damage, not forgery.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace jina_reranker {

class Xxh64 {
  public:
    explicit Xxh64(uint64_t seed = 0);

    void update(std::string_view bytes);

    // Of all bytes so far.
    uint64_t digest() const;

  private:
    static constexpr size_t kStripe = 32;  // bytes

    void add_stripe(const char * bytes);

    uint64_t                  seed_;
    std::array<uint64_t, 4>   lanes_;
    std::array<char, kStripe> rest_{};
    size_t                    n_rest_  = 0;
    uint64_t                  n_bytes_ = 0;
};

inline uint64_t xxh64(std::string_view bytes, uint64_t seed = 0) {
    Xxh64 hash(seed);
    hash.update(bytes);
    return hash.digest();
}

}  // namespace jina_reranker
