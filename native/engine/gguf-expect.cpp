#include "gguf-expect.h"

#include <sstream>
#include <utility>

namespace jina_reranker {

namespace {

std::string text_of(float value) {
    std::ostringstream text;
    text << value;
    return text.str();
}

std::string text_of(const std::vector<int64_t> & shape) {
    std::string text;
    for (const int64_t length : shape) {
        text += (text.empty() ? "" : " × ") + std::to_string(length);
    }
    return text;
}

// The graph multiplies by every type that can be turned into floats; norms and biases it takes as they are.
bool is_usable(ggml_type type, bool is_matrix) {
    return type == GGML_TYPE_F32 || (is_matrix && ggml_get_type_traits(type)->to_float != nullptr);
}

}  // namespace

uint32_t positive(const GgufFile & file, const std::string & name) {
    const uint32_t value = file.u32(name);
    if (value == 0 || value > (1U << 30)) {
        file.fail("key " + name + " is " + std::to_string(value));
    }
    return value;
}

void check_float(const GgufFile & file, const std::string & name, float lowest, float highest) {
    if (const float value = file.f32(name); !(value >= lowest && value <= highest)) {
        file.fail("key " + name + " is " + text_of(value) + ", expected " + text_of(lowest) +
                  (lowest < highest ? " to " + text_of(highest) : ""));
    }
}

void check_optional_float(const GgufFile & file, const std::string & name, float lowest, float highest) {
    if (file.has(name)) {
        check_float(file, name, lowest, highest);
    }
}

void check_tensors(const GgufFile & file, ExpectedTensors missing, const std::string & model) {
    for (ggml_tensor * tensor = ggml_get_first_tensor(file.tensors()); tensor != nullptr;
         tensor               = ggml_get_next_tensor(file.tensors(), tensor)) {
        const std::string name  = tensor->name;
        const auto        found = missing.find(name);
        if (found == missing.end()) {
            file.fail(std::string("tensor ").append(name).append(" is none of a ").append(model));
        }
        const std::vector<int64_t> & shape = found->second.shape;
        std::vector<int64_t>         got(tensor->ne, tensor->ne + GGML_MAX_DIMS);
        while (got.size() > shape.size() && got.back() == 1) {
            got.pop_back();
        }
        if (got != shape) {
            file.fail("tensor " + name + " is " + text_of(got) + ", expected " + text_of(shape));
        }
        if (!is_usable(tensor->type, shape.size() > 1)) {
            file.fail("tensor " + name + " is of type " + ggml_type_name(tensor->type) +
                      ", which cannot be used there");
        }
        missing.erase(found);
    }
    for (const auto & [name, expected] : missing) {
        if (expected.required) {
            file.fail("has no tensor " + name);
        }
    }
}

}  // namespace jina_reranker
