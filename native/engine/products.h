#pragma once

// Products of weights and activations as nodes of a graph: our kernels where weights are packed for them, ggml's elsewhere. A
// node of its own quantizes the activations before our product with quantized weights. A row's result does not depend on the
// rows beside it where the kernels are ours; ggml promises that only for a number of rows that is a multiple of kGgmlRows. The
// graph is built on the engine thread; its nodes run on ggml's.

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

    // x: f32 [n_in, n_rows]. Returns f32 [n_out of all matrices together, n_rows].
    ggml_tensor * multiply(ggml_context * context, const Matrices & weights, ggml_tensor * x);

  private:
    // What a node needs beside its inputs; lives as long as the graph.
    struct Node {
        Products *           products = nullptr;
        std::atomic<int64_t> next     = 0;  // the next task that a thread takes
    };

    static void quantize(ggml_tensor * dst, int thread, int n_threads, void * user_data);
    static void multiply_tasks(ggml_tensor * dst, int thread, int n_threads, void * user_data);

    ggml_tensor * multiply_packed(ggml_context * context, const Matrices & weights, ggml_tensor * x);
    Node &        add_node();

    std::optional<MatMulKernel> kernel_;
    std::deque<Node>            nodes_;
    std::vector<MatMulScratch>  scratch_;  // [n_threads]
};

}  // namespace jina_reranker
