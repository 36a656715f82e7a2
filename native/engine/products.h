#pragma once

// Products of weights and activations as nodes of a graph: our kernels on the CPU for the weight types that they know,
// ggml's for all others. A node of its own rounds the activations to 8 bits before our product. A row's result does not depend on the rows beside it where the kernels are ours; ggml's promise that only for a
// number of rows that is a multiple of kGgmlRows. The graph is built on the engine thread; its nodes run on ggml's.

#include "ggml-backend.h"
#include "ggml.h"
#include "matmul-kernel.h"
#include "weights.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace jina_reranker {

constexpr int32_t kGgmlRows = 4;

class Products {
  public:
    // kernel: none = ggml's products alone.
    Products(std::optional<MatMulKernel> kernel, int32_t n_threads);

    // Before another graph is built: the nodes of the last one must not run any more.
    void begin();

    // weights: in host memory as they lie in the file, or anywhere for ggml. x: f32 [n_in, n_rows]. Returns f32
    // [n_out of all matrices together, n_rows].
    ggml_tensor * multiply(ggml_context * context, const Matrices & weights, ggml_tensor * x);

    // Whether our kernels multiply by such weights.
    bool is_own(const Matrices & weights) const;

  private:
    // What a node needs beside its inputs; lives as long as the graph.
    struct Node {
        Products *           products  = nullptr;
        size_t               n_weights = 0;
        std::atomic<int64_t> next      = 0;  // the next piece of work that a thread takes
    };

    static void round(ggml_tensor * dst, int thread, int n_threads, void * user_data);
    static void multiply_panels(ggml_tensor * dst, int thread, int n_threads, void * user_data);

    static ggml_tensor * multiply_each(ggml_context * context, const Matrices & weights, ggml_tensor * x);

    Node & add_node(size_t n_weights);

    std::optional<MatMulKernel>           kernel_;
    std::deque<Node>                      nodes_;
    std::vector<std::vector<MatMulPanel>> panels_;  // [n_threads][n_blocks], to work in
};

}  // namespace jina_reranker
