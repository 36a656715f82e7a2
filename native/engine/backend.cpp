#include "backend.h"

#include "compute-capability.h"
#include "cpu-features.h"
#include "dynamic-library.h"
#include "error.h"
#include "llama.h"
#include "thread-stacks.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <system_error>

namespace jina_reranker {

namespace {

struct Registry {
    std::shared_mutex                  backends;  // guards ggml's list: shared to read it, exclusive to register
    std::mutex                         mutex;     // guards what follows; locked last
    std::vector<BackendLibrary>        libraries;
    std::map<std::string, std::string> failures;  // path -> reason
};

Registry & registry() {
    static Registry instance;
    return instance;
}

void init_once() {
    static std::once_flag once;
    std::call_once(once, [] {
        raise_thread_stacks();
        llama_log_set(take_log_text, nullptr);
        llama_backend_init();
    });
}

bool is_backend_library(const std::filesystem::path & path) {
    const std::string name   = path.filename().string();
    const auto        starts = [&](const char * prefix) {
        return name.rfind(prefix, 0) == 0;
    };
    const std::string extension = path.extension().string();
    if (extension != ".so" && extension != ".dll" && extension != ".dylib") {
        return false;
    }
    return (starts("libggml-") || starts("ggml-")) && !starts("libggml-base") && !starts("ggml-base");
}

// "libggml-cuda.so" -> "cuda"; CPU variants are all "cpu".
std::string backend_of(const std::filesystem::path & path) {
    std::string  name = path.stem().string();
    const size_t at   = name.find("ggml-");
    name              = at == std::string::npos ? name : name.substr(at + 5);
    return name.substr(0, name.find('-'));
}

// How well a variant suits this machine; 0 = it cannot run here. A backend without variants has no score: 1.
int score_of(const DynamicLibrary & library) {
    const auto score = reinterpret_cast<int (*)()>(library.symbol("ggml_backend_score"));
    return score != nullptr ? score() : 1;
}

const char * backend_name(Backend backend) {
    switch (backend) {
        case Backend::automatic:
            return "auto";
        case Backend::cpu:
            return "cpu";
        case Backend::cuda:
            return "cuda";
        case Backend::metal:
            return "metal";
        case Backend::vulkan:
            return "vulkan";
    }
    return "auto";
}

ggml_backend_reg_t registry_of(const std::string & backend) {
    return ggml_backend_reg_by_name(backend == "metal" ? "MTL" : backend.c_str());
}

// The path of the library to load; empty when none can be used, and then `failures` says why, variant by variant.
std::string best_variant(const std::vector<std::string> & libraries, std::map<std::string, std::string> & failures) {
    std::string best;
    int         best_score = 0;
    for (const std::string & path : libraries) {
        const DynamicLibrary library(path);
        if (!library.is_open()) {
            failures[path] = library.reason();
            continue;
        }
        if (const int score = score_of(library); score > best_score) {
            best       = path;
            best_score = score;
        }
    }
    if (best.empty()) {
        for (const std::string & path : libraries) {
            failures.try_emplace(path, "this CPU cannot run it");
        }
    }
    return best;
}

ggml_backend_reg_t find_backend(const std::string & backend) {
    const BackendsInUse in_use = use_backends();
    return registry_of(backend);
}

// nullptr when it cannot be started, and then `failures` says why. Does nothing if another thread registered it meanwhile.
ggml_backend_reg_t
register_backend(const std::string & backend, const std::string & path, std::map<std::string, std::string> & failures) {
    Registry &             state = registry();
    const std::unique_lock alone(state.backends);
    ggml_backend_reg_t     loaded = registry_of(backend);
    if (loaded != nullptr) {
        return loaded;
    }
    take_errors();
    loaded = ggml_backend_load(path.c_str());
    if (loaded != nullptr) {
        const std::lock_guard lock(state.mutex);
        state.libraries.push_back({ backend, path });
    } else {
        const std::string said = take_errors();
        failures[path]         = said.empty() ? "it loads, and its backend cannot be started" : said;
    }
    return loaded;
}

std::vector<ggml_backend_dev_t> devices_of(const std::string & backend) {
    std::vector<ggml_backend_dev_t> devices;
    const ggml_backend_reg_t        reg = registry_of(backend);
    for (size_t i = 0; reg != nullptr && i < ggml_backend_reg_dev_count(reg); ++i) {
        devices.push_back(ggml_backend_reg_dev_get(reg, i));
    }
    // Discrete GPUs come before integrated ones.
    std::stable_partition(devices.begin(), devices.end(), [](ggml_backend_dev_t device) {
        return ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_GPU;
    });
    return devices;
}

DeviceInfo describe(ggml_backend_dev_t device) {
    DeviceInfo info;
    size_t     free  = 0;
    size_t     total = 0;
    ggml_backend_dev_memory(device, &free, &total);
    info.name         = ggml_backend_dev_name(device);
    info.description  = ggml_backend_dev_description(device);
    info.backend      = ggml_backend_reg_name(ggml_backend_dev_backend_reg(device));
    info.type         = ggml_backend_dev_type(device);
    info.memory_free  = free;
    info.memory_total = total;
    if (info.backend == "CUDA") {
        ggml_backend_dev_props props = {};
        ggml_backend_dev_get_props(device, &props);
        info.compute_capability = props.device_id == nullptr ? 0 : compute_capability(props.device_id);
    }
    return info;
}

}  // namespace

BackendsInUse use_backends() {
    return BackendsInUse(registry().backends);
}

void load_backend(const std::vector<std::string> & libraries) {
    init_once();
    if (libraries.empty()) {
        throw Error(ErrorCode::backend_unavailable, "no library was named");
    }
    const std::string                  backend = backend_of(libraries.front());
    std::map<std::string, std::string> failures;
    ggml_backend_reg_t                 loaded = find_backend(backend);
    if (loaded == nullptr) {
        if (const std::string path = best_variant(libraries, failures); !path.empty()) {
            loaded = register_backend(backend, path, failures);
        }
    }
    if (loaded != nullptr && ggml_backend_reg_dev_count(loaded) > 0) {
        return;
    }
    if (loaded != nullptr) {
        failures[libraries.front()] = "it loads, and finds no usable device on this machine";
    }
    std::string           message;
    Registry &            state = registry();
    const std::lock_guard lock(state.mutex);
    for (const auto & [path, reason] : failures) {
        state.failures[path] = reason;
        message.append(message.empty() ? "" : "; ").append(path).append(": ").append(reason);
    }
    throw Error(ErrorCode::backend_unavailable, message);
}

void load_backends(const std::string & directory) {
    std::error_code             error;
    const std::filesystem::path path = std::filesystem::canonical(std::filesystem::u8path(directory), error);
    if (error) {
        throw Error(ErrorCode::backend_unavailable, directory + ": " + error.message());
    }
    std::map<std::string, std::vector<std::string>> backends;
    for (const auto & entry : std::filesystem::directory_iterator(path, error)) {
        if (is_backend_library(entry.path())) {
            backends[backend_of(entry.path())].push_back(entry.path().u8string());
        }
    }
    for (const auto & [name, libraries] : backends) {
        try {
            load_backend(libraries);
        } catch (const Error &) {
            // It is among the failures now; require_backends() throws if a needed one is missing.
        }
    }
}

void require_backends() {
    init_once();
    {
        const BackendsInUse in_use = use_backends();
        if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) != nullptr) {
            return;
        }
    }
    Registry &            state = registry();
    const std::lock_guard lock(state.mutex);
    std::string           message = "no CPU backend is loaded";
    for (const auto & [path, reason] : state.failures) {
        message.append("; ").append(path).append(": ").append(reason);
    }
    throw Error(ErrorCode::backend_unavailable, message);
}

std::vector<ggml_backend_dev_t> usable_devices(Backend backend) {
    require_backends();
    const BackendsInUse in_use = use_backends();
    switch (backend) {
        case Backend::automatic:
            break;
        case Backend::cpu:
            return { ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) };
        case Backend::cuda:
        case Backend::metal:
        case Backend::vulkan: {
            const std::string name    = backend_name(backend);
            auto              devices = devices_of(name);
            if (devices.empty()) {
                throw Error(ErrorCode::backend_unavailable, "backend: " + name + " offers no device");
            }
            return devices;
        }
    }
    for (const Backend gpu : { Backend::cuda, Backend::metal, Backend::vulkan }) {
        if (auto devices = devices_of(backend_name(gpu)); !devices.empty()) {
            return devices;
        }
    }
    return { ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) };
}

BackendsInfo backends_info() {
    init_once();
    BackendsInfo info;
    info.cpu_features          = cpu_feature_names();
    const BackendsInUse in_use = use_backends();
    for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
        info.devices.push_back(describe(ggml_backend_dev_get(i)));
    }
    Registry &            state = registry();
    const std::lock_guard lock(state.mutex);
    info.libraries = state.libraries;
    for (const auto & [path, reason] : state.failures) {
        info.failures.push_back({ path, reason });
    }
    return info;
}

}  // namespace jina_reranker
