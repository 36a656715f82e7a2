#pragma once

// The process-wide side of llama.cpp and ggml: one-time initialisation, loadable backends, devices. Any thread may call any
// function here: ggml's list of backends has no lock, so a lock of ours keeps it from being read while one is registered.

#include "ggml-backend.h"
#include "log.h"
#include "types.h"

#include <cstdint>
#include <shared_mutex>
#include <string>
#include <vector>

namespace jina_reranker {

// While one of these is held, no backend is registered. To be held around calls of llama.cpp and ggml that look up backends or
// devices; not when a function below is called, because those lock by themselves.
using BackendsInUse = std::shared_lock<std::shared_mutex>;
BackendsInUse use_backends();

struct BackendFailure {
    std::string path;
    std::string reason;
};

// The library a backend was loaded from; for the CPU the variant that was chosen for this machine.
struct BackendLibrary {
    std::string backend;  // "cpu", "cuda", …
    std::string path;
};

struct DeviceInfo {
    std::string                name;
    std::string                description;
    std::string                backend;
    enum ggml_backend_dev_type type               = GGML_BACKEND_DEVICE_TYPE_CPU;
    uint64_t                   memory_free        = 0;
    uint64_t                   memory_total       = 0;
    double                     compute_capability = 0;  // NVIDIA's; 0 = not known, or another device
};

struct BackendsInfo {
    std::vector<DeviceInfo>     devices;
    std::vector<BackendLibrary> libraries;
    std::vector<BackendFailure> failures;
    std::vector<std::string>    cpu_features;  // as cpu_feature_names() gives them
};

// Loads one backend from a list of libraries: its variants, of which the best that this machine can run is taken. Does nothing
// when that backend is loaded already; otherwise waits until no backend is in use. Throws backend_unavailable with the reason
// for each library.
void load_backend(const std::vector<std::string> & libraries);

// Loads every ggml backend in a folder; those that cannot be used are among the failures. Throws backend_unavailable
// when the folder cannot be read.
void load_backends(const std::string & directory);

// Throws backend_unavailable unless a CPU backend is loaded.
void require_backends();

// The devices an engine may run on: those of the fastest GPU backend that has any, since several often offer the same GPU, or
// the CPU's without a GPU. Throws backend_unavailable when the backend that was asked for offers none.
std::vector<ggml_backend_dev_t> usable_devices(Backend backend);

BackendsInfo backends_info();

}  // namespace jina_reranker
