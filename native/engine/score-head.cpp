#include "score-head.h"

#include "error.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace jina_reranker {

namespace {

void check_array(const std::vector<float> & values, size_t expected, const char * name, int32_t n_embd) {
    if (values.size() != expected) {
        throw Error(ErrorCode::head_invalid, std::string("head: ") + name + " has " + std::to_string(values.size()) +
                                                 " numbers, a model with hidden states of " + std::to_string(n_embd) +
                                                 " needs " + std::to_string(expected));
    }
    if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
        throw Error(ErrorCode::head_invalid, std::string("head: ") + name + " holds a number that is not finite");
    }
}

// Metadata of a few tensors; the data lies in backend buffers.
ggml_context_ptr new_context() {
    return ggml_context_ptr(ggml_init({ ggml_tensor_overhead() * 16, /*.mem_buffer =*/nullptr, /*.no_alloc =*/true }));
}

}  // namespace

ScoreHead::ScoreHead(const HeadWeights & weights, int32_t n_embd, ggml_backend_dev_t device) :
    n_embd_(n_embd),
    bias_(weights.b2 - weights.logit_bias) {
    const auto n = static_cast<size_t>(n_embd);
    check_array(weights.w1, n * n, "w1", n_embd);
    check_array(weights.b1, n, "b1", n_embd);
    check_array(weights.w2, n, "w2", n_embd);
    check_array({ weights.b2, weights.logit_bias, bias_ }, 3, "b2, logit_bias or their difference", n_embd);
    context_ = new_context();
    w1_      = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, n_embd, n_embd);
    b1_      = ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, n_embd);
    w2_      = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, n_embd, 1);
    require_operations(device);
    buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(context_.get(), ggml_backend_dev_buffer_type(device)));
    if (!buffer_) {
        throw Error(ErrorCode::out_of_memory,
                    "no memory for the score head on " + std::string(ggml_backend_dev_name(device)));
    }
    ggml_backend_buffer_set_usage(buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);

    // ggml's matrix product wants each unit's input weights side by side.
    std::vector<float> transposed(n * n);
    for (size_t input = 0; input < n; ++input) {
        for (size_t unit = 0; unit < n; ++unit) {
            transposed[unit * n + input] = weights.w1[input * n + unit];
        }
    }
    ggml_backend_tensor_set(w1_, transposed.data(), 0, transposed.size() * sizeof(float));
    ggml_backend_tensor_set(b1_, weights.b1.data(), 0, n * sizeof(float));
    ggml_backend_tensor_set(w2_, weights.w2.data(), 0, n * sizeof(float));
}

ggml_tensor * ScoreHead::build(ggml_context * context, ggml_tensor * hidden) const {
    ggml_tensor * units = ggml_relu(context, ggml_add(context, ggml_mul_mat(context, w1_, hidden), b1_));
    return ggml_mul_mat(context, w2_, units);
}

void ScoreHead::require_operations(ggml_backend_dev_t device) const {
    const ggml_context_ptr context = new_context();
    const ggml_tensor *    node    = build(context.get(), ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, n_embd_, 1));
    // The last of its nodes, and those before it.
    while (node->op != GGML_OP_NONE) {
        if (!ggml_backend_dev_supports_op(device, node)) {
            throw Error(ErrorCode::backend_unavailable, std::string("device ") + ggml_backend_dev_name(device) +
                                                            " cannot compute the score head: it lacks " +
                                                            ggml_op_desc(node) + " for hidden states of " +
                                                            std::to_string(n_embd_) +
                                                            "; choose another device or BACKEND=cpu");
        }
        node = node->op == GGML_OP_MUL_MAT ? node->src[1] : node->src[0];
    }
}

float score_of_logit(float logit) {
    if (!std::isfinite(logit)) {
        throw Error(ErrorCode::invalid_score, "the model produced a score that is not a number");
    }
    return static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(logit))));
}

}  // namespace jina_reranker
