#include "xxh64.h"

#include <algorithm>
#include <cstring>

namespace jina_reranker {

namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87U;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4FU;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9U;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63U;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5U;

uint64_t rotated(uint64_t value, unsigned bits) {
    return (value << bits) | (value >> (64U - bits));
}

uint64_t round_of(uint64_t lane, uint64_t input) {
    return rotated(lane + input * kPrime2, 31) * kPrime1;
}

uint64_t merged(uint64_t hash, uint64_t lane) {
    return (hash ^ round_of(0, lane)) * kPrime1 + kPrime4;
}

template <typename Number>
uint64_t read(const char * bytes) {
    Number number = 0;
    std::memcpy(&number, bytes, sizeof(number));
    return number;
}

}  // namespace

Xxh64::Xxh64(uint64_t seed) : seed_(seed), lanes_({ seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1 }) {}

void Xxh64::add_stripe(const char * bytes) {
    for (size_t i = 0; i < lanes_.size(); ++i) {
        lanes_[i] = round_of(lanes_[i], read<uint64_t>(bytes + i * sizeof(uint64_t)));
    }
}

void Xxh64::update(std::string_view bytes) {
    n_bytes_ += bytes.size();
    if (n_rest_ > 0) {
        const size_t n = std::min(kStripe - n_rest_, bytes.size());
        std::copy_n(bytes.begin(), n, rest_.begin() + static_cast<std::ptrdiff_t>(n_rest_));
        n_rest_ += n;
        bytes.remove_prefix(n);
        if (n_rest_ < kStripe) {
            return;
        }
        add_stripe(rest_.data());
    }
    for (; bytes.size() >= kStripe; bytes.remove_prefix(kStripe)) {
        add_stripe(bytes.data());
    }
    std::copy(bytes.begin(), bytes.end(), rest_.begin());
    n_rest_ = bytes.size();
}

uint64_t Xxh64::digest() const {
    uint64_t hash = seed_ + kPrime5;
    if (n_bytes_ >= kStripe) {
        hash = rotated(lanes_[0], 1) + rotated(lanes_[1], 7) + rotated(lanes_[2], 12) + rotated(lanes_[3], 18);
        for (const uint64_t lane : lanes_) {
            hash = merged(hash, lane);
        }
    }
    hash += n_bytes_;
    size_t i = 0;
    for (; i + 8 <= n_rest_; i += 8) {
        hash = rotated(hash ^ round_of(0, read<uint64_t>(&rest_[i])), 27) * kPrime1 + kPrime4;
    }
    if (i + 4 <= n_rest_) {
        hash = rotated(hash ^ (read<uint32_t>(&rest_[i]) * kPrime1), 23) * kPrime2 + kPrime3;
        i += 4;
    }
    for (; i < n_rest_; ++i) {
        hash = rotated(hash ^ (read<uint8_t>(&rest_[i]) * kPrime5), 11) * kPrime1;
    }
    hash = (hash ^ (hash >> 33U)) * kPrime2;
    hash = (hash ^ (hash >> 29U)) * kPrime3;
    return hash ^ (hash >> 32U);
}

}  // namespace jina_reranker
