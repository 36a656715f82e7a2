#include "kv-pages.h"

#include "error.h"

#include <algorithm>
#include <string>

namespace jina_reranker {

ggml_type ggml_type_of(KvType type) {
    switch (type) {
        case KvType::f16:
            return GGML_TYPE_F16;
        case KvType::f32:
            return GGML_TYPE_F32;
        case KvType::q8_0:
            return GGML_TYPE_Q8_0;
    }
    return GGML_TYPE_F16;
}

KvPages::KvPages(
    const ModelShape & shape, const LayerDevices & devices, ggml_type type, int32_t n_pages, Memory memory) :
    n_holders_(static_cast<size_t>(n_pages)) {
    const size_t  n_bytes  = page_bytes(shape, type) * static_cast<size_t>(n_pages);
    const int64_t n_tokens = int64_t{ n_pages } * kPageTokens;
    for (ggml_backend_dev_t device : devices.layers) {
        ggml_context * context = tensors_on(device, groups_, 2 * devices.layers.size()).context.get();
        k_.push_back(ggml_new_tensor_2d(context, type, shape.n_embd_kv(), n_tokens));
        v_.push_back(ggml_new_tensor_2d(context, type, shape.n_embd_kv(), n_tokens));
        on_cpu_.push_back(ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU);
    }
    for (DeviceTensors & group : groups_) {
        if (!allocate(group, memory)) {
            throw Error(ErrorCode::out_of_memory, "no memory on " + std::string(ggml_backend_dev_name(group.device)) +
                                                      " for the KV state of " + std::to_string(n_tokens) + " tokens, " +
                                                      std::to_string(n_bytes) +
                                                      " bytes: lower CTX_SIZE, BATCH_TOKENS or DOCUMENT_CACHE_MB");
        }
    }
    for (int32_t page = n_pages - 1; page >= 0; --page) {
        free_.push_back(page);
    }
}

size_t KvPages::page_bytes(const ModelShape & shape, ggml_type type) {
    if (shape.head_size() % ggml_blck_size(type) != 0) {
        throw Error(ErrorCode::model_invalid, std::string("KV_TYPE=") + ggml_type_name(type) +
                                                  " needs heads of a multiple of " +
                                                  std::to_string(ggml_blck_size(type)) + " numbers, the model's have " +
                                                  std::to_string(shape.head_size()));
    }
    return 2 * static_cast<size_t>(shape.n_layer) * kPageTokens * ggml_row_size(type, shape.n_embd_kv());
}

int32_t KvPages::most_pages(const ModelShape & shape, ggml_backend_dev_t device, ggml_type type, int32_t n_wanted) {
    const auto takes = [&](int32_t n_pages) {
        const DeviceTensors one = no_tensors(device, 1);
        return ggml_backend_dev_supports_op(
            device, ggml_new_tensor_2d(one.context.get(), type, shape.n_embd_kv(), int64_t{ n_pages } * kPageTokens));
    };
    int32_t n_most = 0;
    for (int32_t step = n_wanted; step > 0; step /= 2) {
        while (n_most + step <= n_wanted && takes(n_most + step)) {
            n_most += step;
        }
    }
    return n_most;
}

size_t KvPages::token_bytes() const {
    size_t n_bytes = 0;
    for (size_t layer = 0; layer < k_.size(); ++layer) {
        n_bytes += k_[layer]->nb[1] + v_[layer]->nb[1];
    }
    return n_bytes;
}

template <typename Copy>
void KvPages::each_run(const std::vector<Tokens> & parts, int32_t n_tokens, const Copy & copy) const {
    std::vector<Tokens> runs;
    for (const Tokens & part : parts) {
        Tokens * last = runs.empty() ? nullptr : &runs.back();
        if (last != nullptr && last->n_tokens % kPageTokens == 0 &&
            part.page == last->page + last->n_tokens / kPageTokens &&
            part.first_token == last->first_token + last->n_tokens) {
            last->n_tokens += part.n_tokens;
        } else {
            runs.push_back(part);
        }
    }
    size_t begin = 0;
    for (size_t layer = 0; layer < k_.size(); ++layer) {
        for (ggml_tensor * tensor : { k_[layer], v_[layer] }) {
            const size_t n_row = tensor->nb[1];
            for (const Tokens & run : runs) {
                copy(tensor, static_cast<size_t>(run.page) * kPageTokens * n_row,
                     static_cast<size_t>(run.n_tokens) * n_row, begin + static_cast<size_t>(run.first_token) * n_row);
            }
            begin += static_cast<size_t>(n_tokens) * n_row;
        }
    }
}

std::vector<char> KvPages::read(const std::vector<int32_t> & pages, int32_t n_tokens) const {
    std::vector<Tokens> parts;
    for (int32_t first = 0; first < n_tokens; first += kPageTokens) {
        parts.push_back(
            { pages[static_cast<size_t>(first / kPageTokens)], first, std::min(kPageTokens, n_tokens - first) });
    }
    std::vector<char> state(token_bytes() * static_cast<size_t>(n_tokens));
    each_run(parts, n_tokens, [&](ggml_tensor * tensor, size_t offset, size_t n_bytes, size_t at) {
        ggml_backend_tensor_get(tensor, &state[at], offset, n_bytes);
    });
    return state;
}

void KvPages::write(const std::vector<Tokens> & parts, std::string_view state, int32_t n_tokens) {
    each_run(parts, n_tokens, [&](ggml_tensor * tensor, size_t offset, size_t n_bytes, size_t at) {
        ggml_backend_tensor_set(tensor, &state[at], offset, n_bytes);
    });
}

std::optional<int32_t> KvPages::take() {
    if (free_.empty()) {
        return std::nullopt;
    }
    const int32_t page = free_.back();
    free_.pop_back();
    hold(page);
    return page;
}

void KvPages::release(int32_t page) {
    int32_t & n_holders = n_holders_[static_cast<size_t>(page)];
    n_holders -= 1;
    if (n_holders == 0) {
        free_.push_back(page);
    }
}

}  // namespace jina_reranker
