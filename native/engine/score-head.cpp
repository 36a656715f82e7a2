#include "score-head.h"

#include "error.h"
#include "ggml-cpu.h"

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

constexpr int32_t kMostRows = 132;  // outputs of a decode: 128 pairs, a throw-away one, a multiple of 4

// Metadata of a few tensors and one small graph; the data lives in backend buffers.
ggml_context_ptr new_context() {
    return ggml_context_ptr(ggml_init({ /*.mem_size =*/ggml_tensor_overhead() * 16 + ggml_graph_overhead(),
                                        /*.mem_buffer =*/nullptr, /*.no_alloc =*/true }));
}

}  // namespace

ScoreHead::ScoreHead(const HeadWeights & weights,
                     int32_t             n_embd,
                     ggml_backend_dev_t  device,
                     int32_t             n_threads,
                     ggml_threadpool_t   thread_pool) :
    n_embd_(n_embd),
    bias_(weights.b2 - weights.logit_bias) {
    const auto n = static_cast<size_t>(n_embd);
    check_array(weights.w1, n * n, "w1", n_embd);
    check_array(weights.b1, n, "b1", n_embd);
    check_array(weights.w2, n, "w2", n_embd);
    check_array({ weights.b2, weights.logit_bias, bias_ }, 3, "b2, logit_bias or their difference", n_embd);
    weights_context_ = new_context();
    w1_              = ggml_new_tensor_2d(weights_context_.get(), GGML_TYPE_F32, n_embd, n_embd);
    b1_              = ggml_new_tensor_1d(weights_context_.get(), GGML_TYPE_F32, n_embd);
    w2_              = ggml_new_tensor_2d(weights_context_.get(), GGML_TYPE_F32, n_embd, 1);
    require_operations(device);
    backend_.reset(ggml_backend_dev_init(device, nullptr));
    if (!backend_) {
        throw Error(ErrorCode::backend_unavailable,
                    std::string("device ") + ggml_backend_dev_name(device) + " could not be initialised");
    }
    if (const auto set_n_threads = reinterpret_cast<ggml_backend_set_n_threads_t>(
            ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_set_n_threads"))) {
        set_n_threads(backend_.get(), n_threads);
    }
    if (const auto set_threadpool =
            reinterpret_cast<decltype(ggml_backend_cpu_set_threadpool) *>(ggml_backend_reg_get_proc_address(
                ggml_backend_dev_backend_reg(device), "ggml_backend_cpu_set_threadpool"))) {
        set_threadpool(backend_.get(), thread_pool);
    }

    weights_buffer_.reset(ggml_backend_alloc_ctx_tensors(weights_context_.get(), backend_.get()));
    allocator_.reset(ggml_gallocr_new(ggml_backend_get_default_buffer_type(backend_.get())));
    if (!weights_buffer_ || !allocator_) {
        throw Error(ErrorCode::out_of_memory,
                    "no memory for the score head on " + std::string(ggml_backend_dev_name(device)));
    }

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
    logits(std::vector<float>(static_cast<size_t>(kMostRows) * n), kMostRows);  // what fails, fails now
}

ScoreHead::Graph ScoreHead::graph(ggml_context * context, int32_t n_rows) const {
    Graph result = {};
    result.input = ggml_new_tensor_2d(context, GGML_TYPE_F32, n_embd_, n_rows);
    ggml_set_input(result.input);
    ggml_tensor * units = ggml_relu(context, ggml_add(context, ggml_mul_mat(context, w1_, result.input), b1_));
    result.output       = ggml_mul_mat(context, w2_, units);
    ggml_set_output(result.output);
    result.nodes = ggml_new_graph(context);
    ggml_build_forward_expand(result.nodes, result.output);
    return result;
}

void ScoreHead::require_operations(ggml_backend_dev_t device) const {
    const ggml_context_ptr context = new_context();
    ggml_cgraph *          nodes   = graph(context.get(), kMostRows).nodes;
    for (int i = 0; i < ggml_graph_n_nodes(nodes); ++i) {
        const ggml_tensor * node = ggml_graph_node(nodes, i);
        if (!ggml_backend_dev_supports_op(device, node)) {
            throw Error(ErrorCode::backend_unavailable, std::string("device ") + ggml_backend_dev_name(device) +
                                                            " cannot compute the score head: it lacks " +
                                                            ggml_op_desc(node) + " for hidden states of " +
                                                            std::to_string(n_embd_) +
                                                            "; choose another device or BACKEND=cpu");
        }
    }
}

std::vector<float> ScoreHead::logits(const std::vector<float> & hidden, int32_t n_rows) {
    const ggml_context_ptr context    = new_context();
    const auto [nodes, input, output] = graph(context.get(), n_rows);
    if (!ggml_gallocr_alloc_graph(allocator_.get(), nodes)) {
        throw Error(ErrorCode::out_of_memory, "no memory to compute the score head");
    }
    ggml_backend_tensor_set(input, hidden.data(), 0, ggml_nbytes(input));
    if (ggml_backend_graph_compute(backend_.get(), nodes) != GGML_STATUS_SUCCESS) {
        throw Error(ErrorCode::engine_error, "computing the score head failed");
    }
    std::vector<float> logits(static_cast<size_t>(n_rows));
    ggml_backend_tensor_get(output, logits.data(), 0, logits.size() * sizeof(float));
    for (float & logit : logits) {
        logit += bias_;
    }
    return logits;
}

float score_of_logit(float logit) {
    if (!std::isfinite(logit)) {
        throw Error(ErrorCode::invalid_score, "the model produced a score that is not a number");
    }
    return static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(logit))));
}

}  // namespace jina_reranker
