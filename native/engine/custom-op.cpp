#include "custom-op.h"

#include "ggml-cpp.h"

namespace jina_reranker {

CustomOp::CustomOp(ggml_custom_op_t compute, void * object) {
    // Only ggml knows what the parameters of its custom operation look like.
    const ggml_context_ptr context(ggml_init({ ggml_tensor_overhead(), nullptr, true }));
    const ggml_tensor *    custom =
        ggml_custom_4d(context.get(), GGML_TYPE_F32, 1, 1, 1, 1, nullptr, 0, compute, GGML_N_TASKS_MAX, object);
    std::memcpy(params_.data(), custom->op_params, sizeof(params_));
}

}  // namespace jina_reranker
