#include "weight-packing.h"

#include <cstring>
#include <vector>

namespace jina_reranker {

namespace {

// Of a block of ggml's: so many units of so many bytes.
struct Field {
    size_t n_units;
    size_t n_bytes;
};

// The fields of a block of one row, in their order. None = not a type that is packed.
std::vector<Field> fields_of(ggml_type type) {
    switch (type) {
        case GGML_TYPE_Q4_K:
            return { { 1, 2 }, { 1, 2 }, { 12, 1 }, { 32, 4 } };
        case GGML_TYPE_Q5_K:
            return { { 1, 2 }, { 1, 2 }, { 12, 1 }, { 8, 4 }, { 32, 4 } };
        case GGML_TYPE_Q6_K:
            return { { 32, 4 }, { 16, 4 }, { 16, 1 }, { 1, 2 } };
        case GGML_TYPE_Q8_0:
            return { { 1, 2 }, { 8, 4 } };
        case GGML_TYPE_F16:
        case GGML_TYPE_BF16:
            return { { 1, 2 } };
        case GGML_TYPE_F32:
            return { { 1, 4 } };
        default:
            return {};
    }
}

// Returns the end of what was written.
template <size_t n_bytes>
char * interleave(const char * rows, size_t row_size, size_t n_units, char * out) {
    for (size_t unit = 0; unit < n_units; ++unit) {
        for (size_t row = 0; row < static_cast<size_t>(kMatMulRows); ++row, out += n_bytes) {
            std::memcpy(out, rows + row * row_size + unit * n_bytes, n_bytes);
        }
    }
    return out;
}

char * interleave(const Field & field, const char * rows, size_t row_size, char * out) {
    return field.n_bytes == 1 ? interleave<1>(rows, row_size, field.n_units, out) :
           field.n_bytes == 2 ? interleave<2>(rows, row_size, field.n_units, out) :
                                interleave<4>(rows, row_size, field.n_units, out);
}

}  // namespace

bool can_pack(const ggml_tensor & matrix) {
    return !fields_of(matrix.type).empty() && matrix.ne[0] % kMatMulBlock == 0 && matrix.ne[1] % kMatMulRows == 0;
}

void pack(ggml_tensor & matrix) {
    const std::vector<Field> fields   = fields_of(matrix.type);
    const size_t             row_size = matrix.nb[1];
    std::vector<char>        rows(row_size * static_cast<size_t>(kMatMulRows));
    auto *                   out = static_cast<char *>(matrix.data);
    for (int64_t row = 0; row < matrix.ne[1]; row += kMatMulRows) {
        std::memcpy(rows.data(), out, rows.size());
        for (size_t at = 0; at < row_size;) {
            for (const Field & field : fields) {
                out = interleave(field, rows.data() + at, row_size, out);
                at += field.n_units * field.n_bytes;
            }
        }
    }
}

}  // namespace jina_reranker
