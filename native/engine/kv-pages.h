#pragma once

// KV state in pages of kPageTokens tokens, every layer's in the memory of the device that computes it. A page is shared by
// all who hold it: pairs of the running batch and prefixes of the document cache; who writes into one holds it alone. Engine
// thread only.

#include "device-tensors.h"
#include "types.h"
#include "weights.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace jina_reranker {

constexpr int32_t kPageTokens = 16;

constexpr int32_t pages_of(int32_t n_tokens) {
    return (n_tokens + kPageTokens - 1) / kPageTokens;
}

ggml_type ggml_type_of(KvType type);

class KvPages {
  public:
    // type: F16, F32 or Q8_0. Throws out_of_memory, and what page_bytes() throws. Memory of a CPU is not touched before a page is written.
    KvPages(const ModelShape &   shape,
            const LayerDevices & devices,
            ggml_type            type,
            int32_t              n_pages,
            Memory               memory = Memory::taken);

    const std::vector<DeviceTensors> & groups() const { return groups_; }

    // A row a token: [n_embd_kv, n_pages * kPageTokens].
    ggml_tensor * k(int32_t layer) const { return k_[static_cast<size_t>(layer)]; }

    ggml_tensor * v(int32_t layer) const { return v_[static_cast<size_t>(layer)]; }

    bool on_cpu(int32_t layer) const { return on_cpu_[static_cast<size_t>(layer)]; }

    // Of one page in all layers. Throws model_invalid where a head is no whole number of the type's blocks.
    static size_t page_bytes(const ModelShape & shape, ggml_type type);

    // As many of n_wanted pages as the device takes: a tensor has the K of all, and a GPU may limit what a tensor has.
    static int32_t most_pages(const ModelShape & shape, ggml_backend_dev_t device, ggml_type type, int32_t n_wanted);

    int32_t n_pages() const { return static_cast<int32_t>(n_holders_.size()); }

    int32_t n_free() const { return static_cast<int32_t>(free_.size()); }

    // A page that nobody holds, held once; none when all are held.
    std::optional<int32_t> take();

    void hold(int32_t page) { n_holders_[static_cast<size_t>(page)] += 1; }

    void release(int32_t page);

    int32_t n_holders(int32_t page) const { return n_holders_[static_cast<size_t>(page)]; }

    // Of one token in all layers.
    size_t token_bytes() const;

    // Tokens in a page: those of a state from first_token on.
    struct Tokens {
        int32_t page;
        int32_t first_token;
        int32_t n_tokens;  // kPageTokens at most
    };

    // The state of n_tokens tokens, whose pages are in their order: of each layer K of all tokens, then V.
    std::vector<char> read(const std::vector<int32_t> & pages, int32_t n_tokens) const;

    // Parts of such a state, in the order of their tokens. state: token_bytes() * n_tokens bytes.
    void write(const std::vector<Tokens> & parts, std::string_view state, int32_t n_tokens);

  private:
    // Calls `copy` for each tensor and each run of tokens that lie one after the other in it and in the state: the tensor, the
    // offset and the bytes there, and the offset in the state.
    template <typename Copy>
    void each_run(const std::vector<Tokens> & parts, int32_t n_tokens, const Copy & copy) const;

    std::vector<DeviceTensors> groups_;
    std::vector<ggml_tensor *> k_;
    std::vector<ggml_tensor *> v_;
    std::vector<bool>          on_cpu_;
    std::vector<int32_t>       n_holders_;
    std::vector<int32_t>       free_;  // the lowest last, so that little memory is touched
};

}  // namespace jina_reranker
