// A backend of one device that can compute nothing. What it says of itself lies in plain memory that is written while it is
// being registered: ThreadSanitizer sees whoever reads it without having waited for that.

#include "ggml-backend-impl.h"

namespace {

size_t n_devices = 0;

const char * name_of(ggml_backend_reg_t /*reg*/) {
    return n_devices == 1 ? "fake" : "";
}

size_t device_count(ggml_backend_reg_t /*reg*/) {
    return n_devices;
}

ggml_backend_device made_device(ggml_backend_reg_t reg) {
    ggml_backend_device made = {};
    made.reg                 = reg;
    made.iface.get_name      = [](ggml_backend_dev_t) {
        return n_devices == 1 ? "FAKE0" : "";
    };
    made.iface.get_description = [](ggml_backend_dev_t) {
        return n_devices == 1 ? "computes nothing" : "";
    };
    made.iface.get_memory = [](ggml_backend_dev_t, size_t * free, size_t * total) {
        *free  = n_devices;
        *total = n_devices;
    };
    made.iface.get_type = [](ggml_backend_dev_t) {
        return n_devices == 1 ? GGML_BACKEND_DEVICE_TYPE_ACCEL : GGML_BACKEND_DEVICE_TYPE_CPU;
    };
    made.iface.supports_op = [](ggml_backend_dev_t, const ggml_tensor *) {
        return false;
    };
    return made;
}

ggml_backend_dev_t device(ggml_backend_reg_t reg, size_t /*index*/) {
    static ggml_backend_device only = made_device(reg);
    return &only;
}

ggml_backend_reg_t fake_reg() {
    static ggml_backend_reg only = [] {
        n_devices = 1;
        return ggml_backend_reg{ GGML_BACKEND_API_VERSION, { name_of, device_count, device, nullptr }, nullptr };
    }();
    return &only;
}

}  // namespace

GGML_BACKEND_DL_IMPL(fake_reg)
