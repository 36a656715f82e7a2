// Lanes are rows of weights: a token's sums run over the quants of a row in their order, every multiplication and addition is
// compiled in one place, and integers are summed up exactly over a block. So a token's bits depend neither on the tokens beside
// it nor on the processor.

#include "matmul-kernel.h"

#include "matmul-float.h"
#include "matmul-panel.h"

namespace jina_reranker {

namespace {

using Integers = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));

constexpr size_t kParts = kMatMulRows / kLanes;  // registers that hold a panel's rows

#if defined(__AVX512F__)
using Register = __m512i;

constexpr size_t kTokens = 8;  // multiplied together: their sums fill the registers

// Multiplies pairs of 16-bit integers, and adds up each pair.
Integers multiply_pairs(Integers a, Integers b) {
    return reinterpret_cast<Integers>(_mm512_madd_epi16(reinterpret_cast<Register>(a), reinterpret_cast<Register>(b)));
}
#else
using Register = __m256i;

constexpr size_t kTokens = 4;

Integers multiply_pairs(Integers a, Integers b) {
    return reinterpret_cast<Integers>(_mm256_madd_epi16(reinterpret_cast<Register>(a), reinterpret_cast<Register>(b)));
}
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
// VNNI adds up four products in 32 bits.
constexpr bool kHasVnni = true;

Integers add_products(Integers sums, Integers weights, Integers quants) {
#    if defined(__AVX512VNNI__)
    return reinterpret_cast<Integers>(_mm512_dpbusd_epi32(
        reinterpret_cast<Register>(sums), reinterpret_cast<Register>(weights), reinterpret_cast<Register>(quants)));
#    else
    return reinterpret_cast<Integers>(_mm256_dpbusd_avx_epi32(
        reinterpret_cast<Register>(sums), reinterpret_cast<Register>(weights), reinterpret_cast<Register>(quants)));
#    endif
}

Integers multiply_by_scales(Integers sums, Integers scales) {
    return sums * scales;
}
#else
// AVX2 adds up two products in 16 bits. As many of these sums are added up as cannot exceed 16 bits.
constexpr bool kHasVnni = false;

Integers add_products(Integers sums, Integers weights, Integers quants) {
    return reinterpret_cast<Integers>(
        _mm256_add_epi16(reinterpret_cast<Register>(sums), _mm256_maddubs_epi16(reinterpret_cast<Register>(weights),
                                                                                reinterpret_cast<Register>(quants))));
}

Integers multiply_by_scales(Integers sums, Integers scales) {
    return multiply_pairs(sums, scales);
}
#endif

Integers to_all(int32_t value) {
    return value - Integers{};
}

// Four quants of a token, or two of its sums of quants, in every lane.
Integers broadcast(const void * from) {
    return to_all(load<int32_t>(from));
}

// The rows of a part: four quants, or an integer, of each.
template <typename Row>
Integers load_part(const Row (&rows)[kMatMulRows], size_t part) {
    return load<Integers>(&rows[static_cast<int64_t>(part) * kLanes]);
}

Lanes load_floats(const float * rows, size_t part) {
    return load<Lanes>(rows + static_cast<int64_t>(part) * kLanes);
}

Lanes to_floats(Integers integers) {
    return __builtin_convertvector(integers, Lanes);
}

void add_to(float * sums, size_t part, Lanes product, float d) {
    const Lanes sum = fused_multiply_add(product, d - Lanes{}, load_floats(sums, part));
    std::memcpy(sums + static_cast<int64_t>(part) * kLanes, &sum, sizeof(sum));
}

const MatMulInput & input_of(const char * input, size_t stride, size_t token) {
    return *reinterpret_cast<const MatMulInput *>(input + token * stride);
}

// Without this g++ 12 reorders the sums of several columns, and spills registers.
template <size_t n>
[[gnu::always_inline]] inline void keep(Integers (&sums)[n]) {
    if constexpr (n == 2) {
        asm("" : "+v"(sums[0]), "+v"(sums[1]));
    } else {
        asm("" : "+v"(sums[0]));
    }
}

// Without this g++ 12 keeps the activations of one loop for the next one in memory, which costs more than to load them again.
[[gnu::always_inline]] inline void forget_loads() {
    asm("" : : : "memory");
}

// The products of kColumns columns with the quants of n tokens from `first` on.
template <int64_t kColumns, size_t n>
[[gnu::always_inline]] inline void dot(const uint8_t (*columns)[kMatMulRows][4],
                                       const char * input,
                                       size_t       stride,
                                       int64_t      first,
                                       Integers (&sums)[n][kParts]) {
    const int8_t * quants[n];
#pragma GCC unroll 8
    for (size_t token = 0; token < n; ++token) {
        quants[token] = input_of(input, stride, token).qs + first;
#pragma GCC unroll 2
        for (size_t part = 0; part < kParts; ++part) {
            sums[token][part] = Integers{};
        }
    }
#pragma GCC unroll 8
    for (int64_t column = 0; column < kColumns; ++column) {
        Integers weights[kParts];
#pragma GCC unroll 2
        for (size_t part = 0; part < kParts; ++part) {
            weights[part] = load_part(columns[column], part);
        }
#pragma GCC unroll 8
        for (size_t token = 0; token < n; ++token) {
            const Integers four = broadcast(quants[token] + 4 * column);
#pragma GCC unroll 2
            for (size_t part = 0; part < kParts; ++part) {
                sums[token][part] = add_products(sums[token][part], weights[part], four);
            }
            keep(sums[token]);
        }
    }
}

// As many columns at once as can be added up, a power of two of them.
constexpr int64_t depth(int64_t n_columns, int64_t max_quant) {
    const int64_t most = kHasVnni ? n_columns : INT16_MAX / (2 * max_quant * 127);
    return n_columns <= most ? n_columns : depth(n_columns / 2, max_quant);
}

// kMaxQuant: the largest quant of a weight.
template <typename Packed, size_t kSubBlocks, int64_t kMaxQuant>
struct KQuantFormat {
    using Panel = KQuantPanel<kSubBlocks>;

    static constexpr size_t  kTokens      = jina_reranker::kTokens;
    static constexpr size_t  kPackedBytes = sizeof(Packed);
    static constexpr size_t  kInputBytes  = sizeof(MatMulInput);
    static constexpr int64_t kColumns     = kMatMulBlock / 4 / static_cast<int64_t>(kSubBlocks);
    static constexpr int64_t kDepth       = depth(kColumns, kMaxQuant);

    static void unpack(const char * weights, Panel & panel) {
        jina_reranker::unpack(*reinterpret_cast<const Packed *>(weights), panel);
    }

    template <size_t n>
    static void add(const Panel * panels, int64_t n_blocks, const char * input, size_t stride, Sums sums) {
        for (int64_t block = 0; block < n_blocks; ++block, input += kInputBytes) {
            const Panel & panel               = panels[block];
            Integers      products[n][kParts] = {};
#pragma GCC unroll 1
            for (int64_t column = 0; column < kMatMulBlock / 4; column += kDepth) {
                Integers dots[n][kParts];
                dot<kDepth>(panel.qs + column, input, stride, 4 * column, dots);
#pragma GCC unroll 2
                for (size_t part = 0; part < kParts; ++part) {
                    const Integers scales = load_part(panel.scales[column / kColumns], part);
#pragma GCC unroll 8
                    for (size_t token = 0; token < n; ++token) {
                        products[token][part] += multiply_by_scales(dots[token][part], scales);
                    }
                }
            }
#pragma GCC unroll 8
            for (size_t token = 0; token < n; ++token) {
                finish(panel, input_of(input, stride, token), products[token], sums[token]);
            }
        }
    }

  private:
    // Subtracts the mins, and multiplies by what is not an integer.
    static void
    finish(const Panel & panel, const MatMulInput & input, const Integers (&products)[kParts], float * sums) {
        const int16_t * bsums = kSubBlocks == 16 ? input.bsums_16 : input.bsums_32;
#pragma GCC unroll 2
        for (size_t part = 0; part < kParts; ++part) {
            Integers mins = {};
            for (size_t pair = 0; pair < kSubBlocks / 2; ++pair) {
                mins += multiply_pairs(load_part(panel.mins[pair], part), broadcast(bsums + 2 * pair));
            }
            const Lanes lessening = -(to_floats(mins) * load_floats(panel.dmin, part));
            add_to(sums, part, fused_multiply_add(to_floats(products[part]), load_floats(panel.d, part), lessening),
                   input.d[0]);
        }
    }
};

// Quants of 8 bits, made positive by adding 128. Two products of them take more than 16 bits: without VNNI their halves are
// multiplied apart.
struct Q80Format {
    static constexpr size_t kPlanes = kHasVnni ? 1 : 2;

    struct alignas(64) Panel {
        uint8_t qs[kPlanes][kMatMulBlock / 4][kMatMulRows][4];  // the lower 4 bits, then the upper ones
        float   d[kMatMulBlock / kQ8Block][kMatMulRows];
    };

    // Of both planes, twice for both sums of a lane.
    static constexpr int32_t kFactors[] = { 0x0001'0001, 0x0010'0010 };

    static constexpr size_t  kTokens      = jina_reranker::kTokens;
    static constexpr int64_t kSubBlocks   = kMatMulBlock / kQ8Block;
    static constexpr int64_t kColumns     = kQ8Block / 4;
    static constexpr size_t  kPackedBytes = sizeof(PackedQ80) * kSubBlocks;
    static constexpr size_t  kInputBytes  = sizeof(MatMulInput);

    static void unpack(const char * weights, Panel & panel) {
        const auto * blocks = reinterpret_cast<const PackedQ80 *>(weights);
        for (int64_t j = 0; j < kSubBlocks; ++j) {
            unpack_f16(blocks[j].d, panel.d[j]);
            for (int64_t i = 0; i < kColumns; ++i) {
                const int64_t column = j * kColumns + i;
                for (int64_t row = 0; row < kMatMulRows; row += kLanes) {
                    const Quants qs = load<Quants>(blocks[j].qs[i][row]) ^ 0x8080;
                    store(panel.qs[0][column], row, kPlanes == 1 ? qs : low_nibbles(qs));
                    if constexpr (kPlanes == 2) {
                        store(panel.qs[1][column], row, high_nibbles(qs));
                    }
                }
            }
        }
    }

    template <size_t n>
    static void add(const Panel * panels, int64_t n_blocks, const char * input, size_t stride, Sums sums) {
        for (int64_t block = 0; block < n_blocks; ++block, input += kInputBytes) {
            const Panel & panel = panels[block];
#pragma GCC unroll 1
            for (int64_t j = 0; j < kSubBlocks; ++j) {
                Integers dots[n][kParts] = {};
#pragma GCC unroll 1
                for (size_t plane = 0; plane < kPlanes; ++plane) {
                    if constexpr (kPlanes > 1) {
                        forget_loads();
                    }
                    Integers of_plane[n][kParts];
                    dot<kColumns>(panel.qs[plane] + j * kColumns, input, stride, j * kQ8Block, of_plane);
#pragma GCC unroll 8
                    for (size_t token = 0; token < n; ++token) {
#pragma GCC unroll 2
                        for (size_t part = 0; part < kParts; ++part) {
                            dots[token][part] += kPlanes == 1 ?
                                                     of_plane[token][part] :
                                                     multiply_pairs(of_plane[token][part], to_all(kFactors[plane]));
                        }
                    }
                }
#pragma GCC unroll 8
                for (size_t token = 0; token < n; ++token) {
                    const MatMulInput & of_token = input_of(input, stride, token);
                    const Integers      offset   = to_all(128 * of_token.bsums_32[j]);
#pragma GCC unroll 2
                    for (size_t part = 0; part < kParts; ++part) {
                        add_to(sums[token], part, to_floats(dots[token][part] - offset) * load_floats(panel.d[j], part),
                               of_token.d[j]);
                    }
                }
            }
        }
    }
};

void multiply(const MatMulTask & task, MatMulScratch & scratch) {
    switch (task.type) {
        case GGML_TYPE_Q4_K:
            return multiply_as<KQuantFormat<PackedQ4K, 8, 15>>(task, scratch);
        case GGML_TYPE_Q5_K:
            return multiply_as<KQuantFormat<PackedQ5K, 8, 31>>(task, scratch);
        case GGML_TYPE_Q6_K:
            return multiply_as<KQuantFormat<PackedQ6K, 16, 63>>(task, scratch);
        case GGML_TYPE_Q8_0:
            return multiply_as<Q80Format>(task, scratch);
        case GGML_TYPE_F16:
            return multiply_as<FloatFormat<F16>>(task, scratch);
        case GGML_TYPE_BF16:
            return multiply_as<FloatFormat<BF16>>(task, scratch);
        default:
            return multiply_as<FloatFormat<float>>(task, scratch);
    }
}

}  // namespace

static int32_t scale_of(int scale) {
    return kHasVnni ? scale : pair_of(scale, scale);
}

MatMulKernel KERNEL_NAME() {
    return { quantize, multiply };
}

}  // namespace jina_reranker
