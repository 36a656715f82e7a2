#pragma once

// The vector of floats that attention is computed with: the compiler's own where it has them (GCC, Clang), elsewhere an array,
// which the compiler may turn into vectors. Everything here is static: each kernel has its own, compiled for its processors.

#include "attention-kernel.h"

#include <cstdint>
#include <cstring>

namespace jina_reranker {

// Floats that a register holds: a vector of more would be kept in memory. And rows of a tile, whose sums stay in registers.
#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
constexpr int64_t kTile  = 8;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
constexpr int64_t kTile  = 4;
#else
constexpr int64_t kLanes = 4;
constexpr int64_t kTile  = 4;
#endif

constexpr int64_t kParts = kAttentionLanes / kLanes;  // registers of a tile's row

#if defined(__GNUC__) && !defined(JINA_RERANKER_ARRAYS)

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
using Ints  = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));  // a mask has all bits of a lane or none

static inline Lanes all(float value) {
    return value - Lanes{};
}

static inline Lanes select(Ints mask, Lanes yes, Lanes no) {
    return mask ? yes : no;
}

#else

template <typename Number>
struct Vector {
    Number lanes[kLanes];
};

using Lanes = Vector<float>;
using Ints  = Vector<int32_t>;

template <typename Result, typename Number, typename Operation>
static inline Vector<Result> each(const Vector<Number> & a, const Vector<Number> & b, Operation operation) {
    Vector<Result> result = {};
    for (int64_t i = 0; i < kLanes; ++i) {
        result.lanes[i] = operation(a.lanes[i], b.lanes[i]);
    }
    return result;
}

static inline Lanes all(float value) {
    Lanes lanes = {};
    for (float & lane : lanes.lanes) {
        lane = value;
    }
    return lanes;
}

static inline Lanes operator+(const Lanes & a, const Lanes & b) {
    return each<float>(a, b, [](float x, float y) { return x + y; });
}

static inline Lanes operator-(const Lanes & a, const Lanes & b) {
    return each<float>(a, b, [](float x, float y) { return x - y; });
}

static inline Lanes operator*(const Lanes & a, const Lanes & b) {
    return each<float>(a, b, [](float x, float y) { return x * y; });
}

static inline Lanes operator+(const Lanes & a, float b) {
    return a + all(b);
}

static inline Lanes operator-(const Lanes & a, float b) {
    return a - all(b);
}

static inline Lanes operator*(const Lanes & a, float b) {
    return a * all(b);
}

static inline Lanes operator*(float a, const Lanes & b) {
    return all(a) * b;
}

static inline Lanes & operator+=(Lanes & a, const Lanes & b) {
    return a = a + b;
}

static inline Ints operator<(const Lanes & a, const Lanes & b) {
    return each<int32_t>(a, b, [](float x, float y) { return x < y ? -1 : 0; });
}

static inline Ints operator&(const Ints & a, const Ints & b) {
    return each<int32_t>(a, b, [](int32_t x, int32_t y) { return x & y; });
}

static inline Lanes select(const Ints & mask, const Lanes & yes, const Lanes & no) {
    Lanes lanes = {};
    for (int64_t i = 0; i < kLanes; ++i) {
        lanes.lanes[i] = mask.lanes[i] != 0 ? yes.lanes[i] : no.lanes[i];
    }
    return lanes;
}

static inline Ints operator<<(const Ints & a, int bits) {
    Ints result = {};
    for (int64_t i = 0; i < kLanes; ++i) {
        result.lanes[i] = static_cast<int32_t>(static_cast<uint32_t>(a.lanes[i]) << bits);
    }
    return result;
}

// Wraps around, as the compiler's vectors do.
static inline Ints & operator+=(Ints & a, const Ints & b) {
    return a = each<int32_t>(a, b, [](int32_t x, int32_t y) {
               return static_cast<int32_t>(static_cast<uint32_t>(x) + static_cast<uint32_t>(y));
           });
}

#endif

}  // namespace jina_reranker
