#pragma once

// The process-wide side of llama.cpp and ggml: one-time initialisation, loadable backends, devices, and where log lines
// go. Everything here may be called from any thread.

#include "ggml-backend.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace jina_reranker {

struct BackendFailure {
    std::string path;
    std::string reason;
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
    std::vector<BackendFailure> failures;
    std::vector<std::string>    cpu_features;
};

enum class LogLevel { debug, info, warn, error };

using LogSink = std::function<void(LogLevel, const std::string & line)>;

// Loads every ggml backend in a folder, once per folder. Throws backend_unavailable when the folder cannot be read.
void load_backends(const std::string & directory);

// Throws backend_unavailable unless a CPU backend is loaded.
void require_backends();

BackendsInfo backends_info();

// A registered sink gets every line until the returned token is destroyed. Called on whatever thread logs.
class LogRegistration {
  public:
    virtual ~LogRegistration() = default;
};

std::unique_ptr<LogRegistration> add_log_sink(LogSink sink);

// Sends one of the engine's own lines to the sinks.
void log_line(LogLevel level, const std::string & line);

// The last error line llama.cpp or ggml logged on this thread since the call before; empty when none.
std::string take_last_error();

}  // namespace jina_reranker
