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

// Tensors of the head, and of the nodes that a device is asked about.
constexpr size_t kTensors = 16;

}  // namespace

ScoreHead::ScoreHead(const HeadWeights & weights, int32_t n_embd, ggml_backend_dev_t device, Memory memory) :
    n_embd_(n_embd),
    bias_(weights.b2 - weights.logit_bias),
    tensors_(no_tensors(device, kTensors)) {
    if (memory == Memory::taken) {
        check(weights);
    }
    w1_ = ggml_new_tensor_2d(tensors_.context.get(), GGML_TYPE_F32, n_embd, n_embd);
    b1_ = ggml_new_tensor_1d(tensors_.context.get(), GGML_TYPE_F32, n_embd);
    w2_ = ggml_new_tensor_2d(tensors_.context.get(), GGML_TYPE_F32, n_embd, 1);
    require_operations();
    if (!allocate(tensors_, memory, GGML_BACKEND_BUFFER_USAGE_WEIGHTS)) {
        throw Error(ErrorCode::out_of_memory,
                    "no memory for the score head on " + std::string(ggml_backend_dev_name(device)));
    }
    if (memory == Memory::taken) {
        set_weights(weights);
    }
}

void ScoreHead::check(const HeadWeights & weights) const {
    const auto n = static_cast<size_t>(n_embd_);
    check_array(weights.w1, n * n, "w1", n_embd_);
    check_array(weights.b1, n, "b1", n_embd_);
    check_array(weights.w2, n, "w2", n_embd_);
    check_array({ weights.b2, weights.logit_bias, bias_ }, 3, "b2, logit_bias or their difference", n_embd_);
}

// ggml's matrix product wants each unit's input weights side by side.
void ScoreHead::set_weights(const HeadWeights & weights) {
    const auto         n = static_cast<size_t>(n_embd_);
    std::vector<float> transposed(n * n);
    for (size_t input = 0; input < n; ++input) {
        for (size_t unit = 0; unit < n; ++unit) {
            transposed[unit * n + input] = weights.w1[input * n + unit];
        }
    }
    set(w1_, transposed);
    set(b1_, weights.b1);
    set(w2_, weights.w2);
}

ggml_tensor * ScoreHead::build(ggml_context * context, ggml_tensor * hidden) const {
    ggml_tensor * units = ggml_relu(context, ggml_add(context, ggml_mul_mat(context, w1_, hidden), b1_));
    return ggml_mul_mat(context, w2_, units);
}

void ScoreHead::require_operations() const {
    ggml_backend_dev_t  device = tensors_.device;
    const DeviceTensors nodes  = no_tensors(device, kTensors);
    const ggml_tensor * node =
        build(nodes.context.get(), ggml_new_tensor_2d(nodes.context.get(), GGML_TYPE_F32, n_embd_, 1));
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
