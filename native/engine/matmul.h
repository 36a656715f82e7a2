#pragma once

// Products of quantized weights and activations on the CPU, in place of ggml's: weights are unpacked once for all
// tokens of a batch, and a token's result is the same whatever else is in the batch. As in ggml's products with these
// weights, activations are rounded to 8 bits in blocks of 256.
//
//  M1. All of ggml's threads call compute() for every node that was replaced, in the order of the graph. They wait for
//      each other once in it, between the rounding and the product.
//  M2. Nodes of one graph that follow each other and multiply the same activations share what was rounded for the first.

#include "custom-op.h"
#include "matmul-kernel.h"
#include "spin-barrier.h"

#include <atomic>
#include <cstdint>
#include <vector>

namespace jina_reranker {

class MatMul {
  public:
    MatMul(int32_t n_threads, Turns & turns, MatMulKernel kernel);

    MatMul(const MatMul &)             = delete;
    MatMul & operator=(const MatMul &) = delete;
    MatMul(MatMul &&)                  = delete;
    MatMul & operator=(MatMul &&)      = delete;
    ~MatMul()                          = default;

    // Before the nodes of another graph are replaced.
    void begin_graph() { last_input_ = nullptr; }

    // Turns a GGML_OP_MUL_MAT with weights of is_matmul_type(), which lie in host memory as they lie in the file, into a
    // node that this object computes; other nodes are left as they are. false when it is such a node, and of a shape that
    // is not known here: nothing is changed then. Throws std::bad_alloc.
    bool replace(ggml_tensor * node);

  private:
    enum class Input : int32_t { own, of_the_last };

    static void compute(ggml_tensor * node, int thread, int n_threads, void * user_data);
    void        round_input(const ggml_tensor & input, int thread, int n_threads);
    void        multiply(const ggml_tensor & node, std::vector<MatMulPanel> & panels);

    MatMulKernel                          kernel_;
    Turns &                               turns_;
    CustomOp                              op_;                    // its value is an Input
    const ggml_tensor *                   last_input_ = nullptr;  // of the node that was replaced last
    std::vector<MatMulInput>              input_;                 // [n_tokens][n_blocks]
    std::vector<std::vector<MatMulPanel>> panels_;                // [n_threads][n_blocks]
    SpinBarrier                           rounded_;
    std::atomic<int64_t>                  next_panel_ = 0;
};

}  // namespace jina_reranker
