#include "grouped-attention.h"

#include "batch-shape.h"
#include "device-tensors.h"
#include "ggml-backend.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace jina_reranker {

namespace {

// To gather a cell counts as much as to attend to it with so many rows: an estimate, by the bytes that move.
constexpr int32_t kRowsOfGathering = 16;

int32_t rounded_rows(int32_t n_rows) {
    int32_t rounded = 1;
    while (rounded < n_rows) {
        rounded *= 2;
    }
    return rounded;
}

// What a group takes, seen or masked.
int64_t cost(int32_t n_rows, int32_t n_cells, size_t n_pairs) {
    return int64_t{ n_rows + kRowsOfGathering } * n_cells * static_cast<int64_t>(n_pairs);
}

}  // namespace

GroupedAttention GroupedAttention::all(const Batch & batch, Pairs pairs) {
    GroupedAttention attention;
    for (const BatchPair & pair : batch.pairs()) {
        attention.add({ &pair, pair.first_row, pair.n_rows, pair.n_past + 1 });
    }
    attention.n_rows_ = batch.n_rows();
    attention.arrange(pairs);
    return attention;
}

GroupedAttention GroupedAttention::scored(const Batch & batch, int32_t n_padding, Pairs pairs) {
    GroupedAttention attention;
    for (const BatchPair & pair : batch.pairs()) {
        if (pair.scored) {
            attention.add({ &pair, attention.n_rows_, 1, pair.n_tokens() });
            attention.n_rows_ += 1;
        }
    }
    attention.n_rows_ += n_padding;
    attention.arrange(pairs);
    return attention;
}

void GroupedAttention::add(const Rows & rows) {
    const int32_t n_rows  = rounded_rows(rows.n_rows);
    const int32_t n_cells = padded_cells(rows.n_visible + rows.n_rows - 1);
    auto          group   = std::find_if(groups_.begin(), groups_.end(),
                                         [&](const Group & one) { return one.n_rows == n_rows && one.n_cells == n_cells; });
    if (group == groups_.end()) {
        group          = groups_.emplace(groups_.end());
        group->n_rows  = n_rows;
        group->n_cells = n_cells;
    }
    group->pairs.push_back(rows);
}

// So that the same groups come in the same order.
void GroupedAttention::arrange(Pairs pairs) {
    const auto sort = [this] {
        std::sort(groups_.begin(), groups_.end(), [](const Group & a, const Group & b) {
            return std::tie(a.n_rows, a.n_cells) < std::tie(b.n_rows, b.n_cells);
        });
    };
    sort();
    merge();
    sort();
    for (Group & group : groups_) {
        const auto n_pairs = static_cast<int32_t>(group.pairs.size());
        group.n_pairs      = pairs == Pairs::padded ? padded_pairs(n_pairs, group.n_cells) : n_pairs;
    }
}

std::vector<std::array<int32_t, 3>> GroupedAttention::shape() const {
    std::vector<std::array<int32_t, 3>> shape;
    for (const Group & group : groups_) {
        shape.push_back({ group.n_rows, group.n_cells, group.n_pairs });
    }
    return shape;
}

// Unites the two groups that grow least by it, until they are few enough.
void GroupedAttention::merge() {
    const auto united = [](const Group & a, const Group & b) {
        Group both;
        both.n_rows  = std::max(a.n_rows, b.n_rows);
        both.n_cells = std::max(a.n_cells, b.n_cells);
        return both;
    };
    const auto growth = [&](const Group & a, const Group & b) {
        const Group both = united(a, b);
        return cost(both.n_rows, both.n_cells, a.pairs.size() + b.pairs.size()) -
               cost(a.n_rows, a.n_cells, a.pairs.size()) - cost(b.n_rows, b.n_cells, b.pairs.size());
    };
    while (groups_.size() > kMostGroups) {
        size_t first  = 0;
        size_t second = 1;
        for (size_t i = 0; i < groups_.size(); ++i) {
            for (size_t j = i + 1; j < groups_.size(); ++j) {
                if (growth(groups_[i], groups_[j]) < growth(groups_[first], groups_[second])) {
                    first  = i;
                    second = j;
                }
            }
        }
        Group both = united(groups_[first], groups_[second]);
        both.pairs = std::move(groups_[first].pairs);
        both.pairs.insert(both.pairs.end(), groups_[second].pairs.begin(), groups_[second].pairs.end());
        groups_[first] = std::move(both);
        groups_.erase(groups_.begin() + static_cast<std::ptrdiff_t>(second));
    }
}

void GroupedAttention::make_inputs(ggml_context * context) {
    const auto input = [](ggml_tensor * tensor) {
        ggml_set_input(tensor);
        return tensor;
    };
    for (Group & group : groups_) {
        const int64_t n_pairs = group.n_pairs;
        group.rows            = input(ggml_new_tensor_1d(context, GGML_TYPE_I32, group.n_rows * n_pairs));
        group.cells           = input(ggml_new_tensor_1d(context, GGML_TYPE_I32, group.n_cells * n_pairs));
        group.mask = input(ggml_new_tensor_4d(context, GGML_TYPE_F16, group.n_cells, group.n_rows, 1, n_pairs));
    }
    unpack_ = input(ggml_new_tensor_1d(context, GGML_TYPE_I32, n_rows_));
}

ggml_tensor *
GroupedAttention::attend(ggml_context * context, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v) const {
    const int64_t head_size = q->ne[0];
    const int64_t n_head    = q->ne[1];
    const int64_t n_embd    = head_size * n_head;
    const int64_t n_head_kv = k->ne[0] / head_size;
    const float   scale     = 1.0f / std::sqrt(static_cast<float>(head_size));
    ggml_tensor * packed    = ggml_reshape_2d(context, q, n_embd, q->ne[2]);
    ggml_tensor * results   = nullptr;
    for (const Group & group : groups_) {
        const int64_t n_pairs = group.n_pairs;
        const auto    gather  = [&](ggml_tensor * pages) {
            ggml_tensor * rows = ggml_cast(context, ggml_get_rows(context, pages, group.cells), GGML_TYPE_F16);
            return ggml_permute(context, ggml_reshape_4d(context, rows, head_size, n_head_kv, group.n_cells, n_pairs),
                                    0, 2, 1, 3);
        };
        ggml_tensor * rows = ggml_get_rows(context, packed, group.rows);
        rows =
            ggml_permute(context, ggml_reshape_4d(context, rows, head_size, n_head, group.n_rows, n_pairs), 0, 2, 1, 3);
        ggml_tensor * result = ggml_flash_attn_ext(context, rows, gather(k), gather(v), group.mask, scale, 0.0f, 0.0f);
        ggml_prec_set_acc(result, GGML_PREC_F32);
        result  = ggml_reshape_2d(context, result, n_embd, group.n_rows * n_pairs);
        results = results == nullptr ? result : ggml_concat(context, results, result, 1);
    }
    return ggml_get_rows(context, results, unpack_);
}

void GroupedAttention::fill() const {
    std::vector<int32_t> unpack(static_cast<size_t>(n_rows_));
    int32_t              begin = 0;  // of a group's results
    int32_t              last  = 0;  // where the last row's result lies
    int32_t              n_set = 0;
    for (const Group & group : groups_) {
        fill(group);
        for (size_t pair = 0; pair < group.pairs.size(); ++pair) {
            const Rows & rows = group.pairs[pair];
            for (int32_t i = 0; i < rows.n_rows; ++i) {
                const int32_t row                = rows.first_row + i;
                const int32_t at                 = begin + static_cast<int32_t>(pair) * group.n_rows + i;
                unpack[static_cast<size_t>(row)] = at;
                if (row + 1 > n_set) {
                    n_set = row + 1;
                    last  = at;
                }
            }
        }
        begin += group.n_rows * group.n_pairs;
    }
    std::fill(unpack.begin() + n_set, unpack.end(), last);  // rows that belong to no pair
    set(unpack_, unpack);
}

void GroupedAttention::fill(const Group & group) const {
    const auto               n_rows  = static_cast<size_t>(group.n_rows);
    const auto               n_cells = static_cast<size_t>(group.n_cells);
    const ggml_fp16_t        seen    = ggml_fp32_to_fp16(0.0f);
    std::vector<int32_t>     q_rows;
    std::vector<int32_t>     cells;
    const auto               n_pairs = static_cast<size_t>(group.n_pairs);
    std::vector<ggml_fp16_t> mask(n_cells * n_rows * n_pairs, ggml_fp32_to_fp16(-INFINITY));
    for (size_t pair = 0; pair < n_pairs; ++pair) {
        const Rows &  rows      = group.pairs[std::min(pair, group.pairs.size() - 1)];
        const int32_t n_visible = rows.n_visible + rows.n_rows - 1;
        for (int32_t i = 0; i < group.n_rows; ++i) {
            q_rows.push_back(rows.first_row + (i < rows.n_rows ? i : 0));
            const auto begin =
                mask.begin() + static_cast<std::ptrdiff_t>((pair * n_rows + static_cast<size_t>(i)) * n_cells);
            std::fill(begin, begin + rows.n_visible + (i < rows.n_rows ? i : 0), seen);
        }
        for (int32_t cell = 0; cell < group.n_cells; ++cell) {
            cells.push_back(rows.pair->cell(cell < n_visible ? cell : 0));
        }
    }
    set(group.rows, q_rows);
    set(group.cells, cells);
    set(group.mask, mask);
}

}  // namespace jina_reranker
