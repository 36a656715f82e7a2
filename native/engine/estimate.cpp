#include "estimate.h"

#include "device-memory.h"
#include "engine-plan.h"
#include "gguf-check.h"
#include "image-encoder.h"
#include "mmproj-check.h"

#include <cstring>
#include <optional>

namespace jina_reranker {

namespace {

// As quantize() converts them, where it keeps the embeddings; llama.cpp takes F16 for rows that are no whole blocks.
void convert_matrices(const GgufFile & model, ggml_type type) {
    for (ggml_tensor * tensor = ggml_get_first_tensor(model.tensors()); tensor != nullptr;
         tensor               = ggml_get_next_tensor(model.tensors(), tensor)) {
        if (ggml_n_dims(tensor) == 2 && std::strcmp(tensor->name, "token_embd.weight") != 0) {
            tensor->type  = tensor->ne[0] % ggml_blck_size(type) == 0 ? type : GGML_TYPE_F16;
            tensor->nb[0] = ggml_type_size(tensor->type);
            tensor->nb[1] = ggml_row_size(tensor->type, tensor->ne[0]);
            tensor->nb[2] = tensor->nb[1] * static_cast<size_t>(tensor->ne[1]);
            tensor->nb[3] = tensor->nb[2];
        }
    }
}

}  // namespace

std::vector<std::vector<DeviceMemory>> estimate(EngineOptions options, std::optional<ggml_type> matrix_type) {
    const GgufFile model(options.model_path);
    check_gguf(model);
    if (matrix_type) {
        convert_matrices(model, *matrix_type);
    }
    const ModelShape           shape = shape_of(model);
    std::optional<GgufFile>    tower;
    std::optional<VisionShape> tower_shape;
    if (!options.mmproj_path.empty()) {
        tower.emplace(options.mmproj_path);
        tower_shape = check_mmproj(*tower, shape.n_embd);
    }
    const int32_t n_most = place(options, shape.n_layer).n_gpu_layers;

    std::vector<std::vector<DeviceMemory>> all;
    for (options.n_gpu_layers = 0; options.n_gpu_layers <= n_most; ++options.n_gpu_layers) {
        EngineOptions with = options;
        if (with.n_gpu_layers == 0) {
            with.device.clear();
        }
        const EnginePlan plan = plan_engine(with, place(with, shape.n_layer), model, tower ? &*tower : nullptr);
        all.push_back(Forward::count(model, plan.forward()));
        if (tower) {
            memory_of(plan.placement.device, all.back()).vision =
                ImageEncoder::count(*tower, *tower_shape, plan.encoder(options.vision));
        }
    }
    return all;
}

}  // namespace jina_reranker
