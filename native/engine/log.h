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

// What llama_log_set is given.
void take_log_text(ggml_log_level level, const char * text, void * user_data);

}  // namespace jina_reranker
