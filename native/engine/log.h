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

// A registered sink gets every line until the returned token is destroyed, which waits for the calls that are running
// (but for one that destroys it). Called on whatever thread logs, on several at once. What it throws is dropped, and so is
// what it logs: llama.cpp lies between the sink and whoever could catch the one, and the other would not end.
class LogRegistration {
  public:
    virtual ~LogRegistration() = default;
};

std::unique_ptr<LogRegistration> add_log_sink(LogSink sink);

// Sends one of the engine's own lines to the sinks.
void log_line(LogLevel level, const std::string & line);

// The error lines that llama.cpp or ggml logged on this thread since the call before, the first one, which is the cause,
// in front; empty when none. Of many the first few: each caller on the way up adds one that says less.
std::string take_errors();

// What llama_log_set is given.
void take_log_text(ggml_log_level level, const char * text, void * user_data);

}  // namespace jina_reranker
