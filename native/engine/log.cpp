#include "log.h"

#include <list>
#include <mutex>

namespace jina_reranker {

namespace {

struct Sinks {
    std::mutex         mutex;
    std::list<LogSink> list;
};

Sinks & sinks() {
    static Sinks instance;
    return instance;
}

thread_local std::string last_error;
thread_local std::string unfinished_line;

class Registration : public LogRegistration {
  public:
    explicit Registration(LogSink sink) {
        const std::lock_guard lock(sinks().mutex);
        entry_ = sinks().list.insert(sinks().list.end(), std::move(sink));
    }

    ~Registration() override {
        const std::lock_guard lock(sinks().mutex);
        sinks().list.erase(entry_);
    }

    Registration(const Registration &)             = delete;
    Registration & operator=(const Registration &) = delete;
    Registration(Registration &&)                  = delete;
    Registration & operator=(Registration &&)      = delete;

  private:
    std::list<LogSink>::iterator entry_;
};

}  // namespace

// llama.cpp logs in pieces; a line is passed on when its newline has come.
void take_log_text(ggml_log_level level, const char * text, void * /*user_data*/) {
    unfinished_line += text;
    if (unfinished_line.empty() || unfinished_line.back() != '\n') {
        return;
    }
    unfinished_line.pop_back();
    std::string line;
    line.swap(unfinished_line);
    switch (level) {
        case GGML_LOG_LEVEL_ERROR:
            last_error = line;
            log_line(LogLevel::error, line);
            break;
        case GGML_LOG_LEVEL_WARN:
            log_line(LogLevel::warn, line);
            break;
        default:
            log_line(LogLevel::debug, line);
    }
}

std::unique_ptr<LogRegistration> add_log_sink(LogSink sink) {
    return std::make_unique<Registration>(std::move(sink));
}

void log_line(LogLevel level, const std::string & line) {
    const std::lock_guard lock(sinks().mutex);
    for (const LogSink & sink : sinks().list) {
        sink(level, line);
    }
}

std::string take_last_error() {
    std::string line;
    line.swap(last_error);
    return line;
}

}  // namespace jina_reranker
