#pragma once

// The score head alone, on the CPU, for tests of hidden states that come from elsewhere.

#include "cpu-backend.h"
#include "ggml-alloc.h"
#include "score-head.h"

#include <cstring>
#include <vector>

namespace jina_reranker {

// hidden: row-major [n_rows][n_embd], f32. Returns [n_rows] logits.
inline std::vector<float> head_logits(const ScoreHead & head, const std::vector<float> & hidden, int32_t n_rows) {
    const ggml_backend_ptr backend = cpu_backend(2);
    const ggml_context_ptr context(ggml_init({ 16 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true }));
    ggml_tensor *          input =
        ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, static_cast<int64_t>(hidden.size()) / n_rows, n_rows);
    ggml_tensor * output = head.build(context.get(), input);
    ggml_cgraph * graph  = ggml_new_graph(context.get());
    ggml_build_forward_expand(graph, output);
    const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(context.get(), backend.get()));
    std::memcpy(input->data, hidden.data(), ggml_nbytes(input));
    ggml_backend_graph_compute(backend.get(), graph);
    std::vector<float> logits(static_cast<size_t>(n_rows));
    std::memcpy(logits.data(), output->data, ggml_nbytes(output));
    for (float & logit : logits) {
        logit += head.bias();
    }
    return logits;
}

}  // namespace jina_reranker
