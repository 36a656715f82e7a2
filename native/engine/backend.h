#pragma once

// The process-wide side of llama.cpp and ggml: one-time initialisation, loadable backends, devices. Everything here may
// be called from any thread. ggml's list of backends is not made for that: a backend is registered while nobody reads it.

#include "ggml-backend.h"
#include "log.h"
#include "types.h"

#include <cstdint>
#include <shared_mutex>
#include <string>
#include <vector>

namespace jina_reranker {

// While one is held no backend is registered: for calls of llama.cpp and ggml that look backends or devices up themselves.
// Not to be held when a function below is called.
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
    enum ggml_backend_dev_type type;
    uint64_t                   memory_free  = 0;
    uint64_t                   memory_total = 0;
};

struct BackendsInfo {
    std::vector<DeviceInfo>     devices;
    std::vector<BackendLibrary> libraries;
    std::vector<BackendFailure> failures;
    std::vector<std::string>    cpu_features;
};

// Loads one backend from a list of libraries: its variants, of which the one that suits this machine best is taken. A
// backend that is loaded already is left as it is; to register another one it waits until none is in use. Throws
// backend_unavailable with the reason for each library.
void load_backend(const std::vector<std::string> & libraries);

// Loads every ggml backend in a folder; those that cannot be used are among the failures. Throws backend_unavailable
// when the folder cannot be read.
void load_backends(const std::string & directory);

// Throws backend_unavailable unless a CPU backend is loaded.
void require_backends();

// The devices an engine may run on, those of the fastest backend alone: the same GPU is often a device of several. The
// CPU's when there is no GPU. Throws backend_unavailable when the backend that was asked for offers none.
std::vector<ggml_backend_dev_t> usable_devices(Backend backend);

BackendsInfo backends_info();

}  // namespace jina_reranker
