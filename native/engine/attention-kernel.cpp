// Lanes are query vectors, so that the softmax is a loop over cells and no sum runs across lanes. Every sum runs in the order
// of the cells, and every multiplication and addition is compiled in one place. So a token's bits do not depend on the tokens
// beside it. The softmax is computed online, with a running max and a running sum, as flash attention does it.

#include "attention-kernel.h"

#include "attention-lanes.h"

#include <cmath>
#include <cstring>
#if defined(__F16C__)
#    include <immintrin.h>
#endif

namespace jina_reranker {

namespace {

inline Lanes load(const float * from) {
    Lanes lanes;
    std::memcpy(&lanes, from, sizeof(lanes));
    return lanes;
}

inline void store(float * to, Lanes lanes) {
    std::memcpy(to, &lanes, sizeof(lanes));
}

// e^x for x <= 0, within 2 units in the last place; 1 for 0; e^-87 below -87.
inline Lanes exponential(Lanes x) {
    constexpr float kRounder = 12582912.0f;  // 1.5 x 2^23: adding it rounds to an integer
    x                        = select(x < all(-87.0f), all(-87.0f), x);
    const Lanes rounded      = x * 1.44269504f + kRounder;
    const Lanes power        = rounded - kRounder;
    // ln 2 in two parts, the first of so few bits that its product with a whole number is exact
    const Lanes rest         = (x - power * 0.693359375f) + power * 2.12194440e-4f;
    Lanes       sum          = all(1.9875691500e-4f);
    sum                      = sum * rest + 1.3981999507e-3f;
    sum                      = sum * rest + 8.3334519073e-3f;
    sum                      = sum * rest + 4.1665795894e-2f;
    sum                      = sum * rest + 1.6666665459e-1f;
    sum                      = sum * rest + 5.0000001201e-1f;
    sum                      = sum * rest * rest + rest + 1.0f;
    Ints bits;
    Ints exponent;
    std::memcpy(&bits, &sum, sizeof(bits));
    std::memcpy(&exponent, &rounded, sizeof(exponent));
    bits += exponent << 23;
    std::memcpy(&sum, &bits, sizeof(sum));
    return sum;
}

// Whether cells lie one behind the other as the sums below want them.
inline bool is_in_place(const AttentionTask & task, ggml_type type, size_t stride) {
    return task.cells == nullptr && type == GGML_TYPE_F32 &&
           stride == static_cast<size_t>(task.head_size) * sizeof(float);
}

// One head of a KV cell, converted to f32.
inline void read(const char * from, ggml_type type, int64_t n, float * to) {
    if (type == GGML_TYPE_F32) {
        std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
        return;
    }
#if defined(__F16C__)
    if (type == GGML_TYPE_F16) {
        for (int64_t i = 0; i < n; i += 8) {
            __m128i half;
            std::memcpy(&half, from + i * 2, sizeof(half));
            const __m256 wide = _mm256_cvtph_ps(half);
            std::memcpy(to + i, &wide, sizeof(wide));
        }
        return;
    }
#endif
    ggml_get_type_traits(type)->to_float(from, to, n);
}

// A tile of kTile x kAttentionLanes of a matrix product: sums[i] += sum over depth of a[i, depth] * b[depth].
struct Tile {
    Lanes sums[kTile][kParts];

    void add(const float * a, int64_t a_row, int64_t a_depth, const float * b, int64_t b_depth, int64_t depth) {
        for (int64_t d = 0; d < depth; ++d) {
            Lanes lanes[kParts];
#pragma GCC unroll 4
            for (int64_t part = 0; part < kParts; ++part) {
                lanes[part] = load(b + d * b_depth + part * kLanes);
            }
#pragma GCC unroll 8
            for (int64_t i = 0; i < kTile; ++i) {
#pragma GCC unroll 4
                for (int64_t part = 0; part < kParts; ++part) {
                    sums[i][part] += a[i * a_row + d * a_depth] * lanes[part];
                }
            }
        }
    }
};

// The parts of a task's scratch memory.
struct Work {
    int64_t n_rows;       // query vectors, a multiple of kAttentionLanes
    float * q;            // [head_size][n_rows]
    float * out;          // [head_size][n_rows]
    float * weights;      // [kAttentionCells][n_rows]: scores, then their exponentials
    float * k;            // [kAttentionCells][head_size]
    float * v;            // [kAttentionCells][head_size]
    float * visible;      // [n_rows]: how many cells a row sees
    float * running_max;  // [n_rows]: of its scores
    float * running_sum;  // [n_rows]: of its weights
    float * correction;   // [n_rows]: exp(old max - new max), which rescales the sums so far

    Work(const AttentionTask & task, float * scratch) :
        n_rows(attention_rows(task.n_tokens, task.n_heads)),
        q(scratch),
        out(q + task.head_size * n_rows),
        weights(out + task.head_size * n_rows),
        k(weights + kAttentionCells * n_rows),
        v(k + kAttentionCells * task.head_size),
        visible(v + kAttentionCells * task.head_size),
        running_max(visible + n_rows),
        running_sum(running_max + n_rows),
        correction(running_sum + n_rows) {}
};

void load_queries(const AttentionTask & task, const Work & work) {
    for (int64_t row = 0; row < work.n_rows; ++row) {
        const bool    filling = row >= task.n_tokens * task.n_heads;
        const int64_t token   = filling ? task.n_tokens - 1 : row / task.n_heads;
        const char *  from    = task.q + static_cast<size_t>(token) * task.q_token_stride +
                            static_cast<size_t>(row % task.n_heads) * task.q_head_stride;
        for (int64_t i = 0; i < task.head_size; ++i) {
            float number = 0.0f;
            std::memcpy(&number, from + static_cast<size_t>(i) * sizeof(float), sizeof(float));
            work.q[i * work.n_rows + row]   = filling ? 0.0f : number * task.scale;
            work.out[i * work.n_rows + row] = 0.0f;
        }
        work.visible[row]     = static_cast<float>(task.n_visible[token]);
        work.running_max[row] = -INFINITY;
        work.running_sum[row] = 0.0f;
    }
}

// K and V of n_cells cells, and zeros behind them.
void read_cells(const AttentionTask & task, const Work & work, int64_t first, int64_t n_cells) {
    for (int64_t i = 0; i < n_cells; ++i) {
        const auto cell = static_cast<size_t>(task.cells == nullptr ? first + i : task.cells[first + i]);
        read(task.k + cell * task.k_stride, task.k_type, task.head_size, work.k + i * task.head_size);
        read(task.v + cell * task.v_stride, task.v_type, task.head_size, work.v + i * task.head_size);
    }
    std::memset(work.k + n_cells * task.head_size, 0,
                static_cast<size_t>((kAttentionCells - n_cells) * task.head_size) * sizeof(float));
}

// Turns the scores of n_cells cells into weights, and updates the running max and sum. The first of them is cell first_cell of
// those that are seen.
void online_softmax(const Work & work, int64_t first_cell, int64_t n_cells) {
    for (int64_t row = 0; row < work.n_rows; row += kLanes) {
        const Lanes visible = load(work.visible + row) - static_cast<float>(first_cell);
        const Lanes old_max = load(work.running_max + row);
        Lanes       max     = old_max;
        for (int64_t cell = 0; cell < n_cells; ++cell) {
            const Lanes score = load(work.weights + cell * work.n_rows + row);
            max               = select((all(static_cast<float>(cell)) < visible) & (max < score), score, max);
        }
        const Lanes correction = exponential(old_max - max);
        Lanes       sum        = load(work.running_sum + row) * correction;
        for (int64_t cell = 0; cell < n_cells; ++cell) {
            float *     weights = work.weights + cell * work.n_rows + row;
            const Lanes weight  = exponential(load(weights) - max);
            const Lanes seen    = select(all(static_cast<float>(cell)) < visible, weight, Lanes{});
            store(weights, seen);
            sum += seen;
        }
        store(work.running_max + row, max);
        store(work.correction + row, correction);
        store(work.running_sum + row, sum);
    }
}

// k: [kAttentionCells][head_size]
void score_cells(const AttentionTask & task, const Work & work, const float * k) {
    for (int64_t cell = 0; cell < kAttentionCells; cell += kTile) {
        for (int64_t row = 0; row < work.n_rows; row += kAttentionLanes) {
            Tile tile = {};
            tile.add(k + cell * task.head_size, task.head_size, 1, work.q + row, work.n_rows, task.head_size);
#pragma GCC unroll 8
            for (int64_t i = 0; i < kTile; ++i) {
#pragma GCC unroll 4
                for (int64_t part = 0; part < kParts; ++part) {
                    store(work.weights + (cell + i) * work.n_rows + row + part * kLanes, tile.sums[i][part]);
                }
            }
        }
    }
}

// v: [n_cells][head_size]
void sum_values(const AttentionTask & task, const Work & work, const float * v, int64_t n_cells) {
    for (int64_t number = 0; number < task.head_size; number += kTile) {
        for (int64_t row = 0; row < work.n_rows; row += kAttentionLanes) {
            float * out  = work.out + number * work.n_rows + row;
            Tile    tile = {};
#pragma GCC unroll 8
            for (int64_t i = 0; i < kTile; ++i) {
#pragma GCC unroll 4
                for (int64_t part = 0; part < kParts; ++part) {
                    tile.sums[i][part] =
                        load(out + i * work.n_rows + part * kLanes) * load(work.correction + row + part * kLanes);
                }
            }
            tile.add(v + number, 1, task.head_size, work.weights + row, work.n_rows, n_cells);
#pragma GCC unroll 8
            for (int64_t i = 0; i < kTile; ++i) {
#pragma GCC unroll 4
                for (int64_t part = 0; part < kParts; ++part) {
                    store(out + i * work.n_rows + part * kLanes, tile.sums[i][part]);
                }
            }
        }
    }
}

void store_results(const AttentionTask & task, const Work & work) {
    for (int64_t row = 0; row < task.n_tokens * task.n_heads; ++row) {
        char * to = task.out + static_cast<size_t>(row / task.n_heads) * task.out_token_stride +
                    static_cast<size_t>(row % task.n_heads) * task.out_head_stride;
        for (int64_t i = 0; i < task.head_size; ++i) {
            const float number = work.out[i * work.n_rows + row] / work.running_sum[row];
            std::memcpy(to + static_cast<size_t>(i) * sizeof(float), &number, sizeof(float));
        }
    }
}

}  // namespace

void KERNEL_NAME(const AttentionTask & task, float * scratch) {
    const Work work(task, scratch);
    load_queries(task, work);
    const int64_t n_visible = task.n_visible[task.n_tokens - 1];
    const bool    in_place =
        is_in_place(task, task.k_type, task.k_stride) && is_in_place(task, task.v_type, task.v_stride);
    for (int64_t first = 0; first < n_visible; first += kAttentionCells) {
        const int64_t n_cells = n_visible - first < kAttentionCells ? n_visible - first : kAttentionCells;
        const float * k       = nullptr;
        const float * v       = nullptr;
        if (in_place && n_cells == kAttentionCells) {
            k = reinterpret_cast<const float *>(task.k + static_cast<size_t>(first) * task.k_stride);
            v = reinterpret_cast<const float *>(task.v + static_cast<size_t>(first) * task.v_stride);
        } else {
            read_cells(task, work, first, n_cells);
            k = work.k;
            v = work.v;
        }
        score_cells(task, work, k);
        online_softmax(work, first, n_cells);
        sum_values(task, work, v, n_cells);
    }
    store_results(task, work);
}

}  // namespace jina_reranker
