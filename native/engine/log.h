#pragma once

// Where the log lines of llama.cpp, ggml and the engine go: to every sink that is registered, process-wide. Everything
// here may be called from any thread.

#include "ggml.h"

#include <functional>
#include <memory>
#include <string>

namespace jina_reranker {

enum class LogLevel { debug, info, warn, error };

using LogSink = std::function<void(LogLevel, const std::string & line)>;

// A sink gets every line, on the thread that logs it, several threads at once, until the registration is destroyed. The
// destructor waits for calls that are running, but for one that it is called from. What a sink throws is dropped, because
// llama.cpp's C functions lie between it and any catch; what it logs is dropped, because that would never end.
class LogRegistration {
  public:
    virtual ~LogRegistration() = default;
};

std::unique_ptr<LogRegistration> add_log_sink(LogSink sink);

// Sends one of the engine's own lines to the sinks.
void log_line(LogLevel level, const std::string & line);

// The error lines that llama.cpp or ggml logged on this thread since the last call, joined by "; "; empty when none. Only the
// first few are kept: the first names the cause, and each caller on the way up adds one that says less.
std::string take_errors();

// The callback for llama_log_set.
void take_log_text(ggml_log_level level, const char * text, void * user_data);

}  // namespace jina_reranker
