#include "device-tensors.h"

#include "ggml-alloc.h"

namespace jina_reranker {

namespace {

// Whether the device takes a tensor of this size at all: where it does not, ggml's scheduler ends the process.
bool takes_all(ggml_backend_dev_t device, ggml_context * context) {
    for (ggml_tensor * tensor = ggml_get_first_tensor(context); tensor != nullptr;
         tensor               = ggml_get_next_tensor(context, tensor)) {
        if (!ggml_backend_dev_supports_op(device, tensor)) {
            return false;
        }
    }
    return true;
}

}  // namespace

bool allocate(DeviceTensors & tensors, Memory memory, ggml_backend_buffer_usage usage) {
    ggml_context *             context = tensors.context.get();
    ggml_backend_buffer_type_t type    = ggml_backend_dev_buffer_type(tensors.device);
    if (!takes_all(tensors.device, context)) {
        return false;
    }
    if (memory == Memory::taken) {
        tensors.buffer.reset(ggml_backend_alloc_ctx_tensors_from_buft(context, type));
        tensors.n_bytes = tensors.buffer ? ggml_backend_buffer_get_size(tensors.buffer.get()) : 0;
    } else {
        tensors.n_bytes = ggml_backend_alloc_ctx_tensors_from_buft_size(context, type);
        tensors.buffer.reset(ggml_backend_buft_alloc_buffer(type, 0));
        for (ggml_tensor * tensor = ggml_get_first_tensor(context); tensor != nullptr;
             tensor               = ggml_get_next_tensor(context, tensor)) {
            tensor->buffer = tensors.buffer.get();
        }
    }
    if (tensors.buffer) {
        ggml_backend_buffer_set_usage(tensors.buffer.get(), usage);
    }
    return tensors.buffer != nullptr;
}

}  // namespace jina_reranker
