#include "log.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <vector>

namespace jina_reranker {

namespace {

constexpr size_t kMostErrorBytes = 2000;  // no further error line is kept after so many
constexpr size_t kMostLineBytes  = 8000;  // a longer line goes to the sinks in pieces

struct Sink {
    LogSink                 call;
    std::mutex              mutex;
    std::condition_variable idle;
    int                     n_running = 0;
    bool                    gone      = false;
};

struct Sinks {
    std::mutex                         mutex;
    std::vector<std::shared_ptr<Sink>> list;
};

Sinks & sinks() {
    static Sinks instance;
    return instance;
}

thread_local const Sink *   running_sink = nullptr;  // the sink that this thread is inside of
thread_local std::string    errors;
thread_local std::string    unfinished_line;
thread_local ggml_log_level unfinished_level = GGML_LOG_LEVEL_NONE;

void call(Sink & sink, LogLevel level, const std::string & line) {
    {
        const std::lock_guard lock(sink.mutex);
        if (sink.gone) {
            return;
        }
        ++sink.n_running;
    }
    running_sink = &sink;
    try {
        sink.call(level, line);
    } catch (...) {  // NOLINT(bugprone-empty-catch): log.h says so
    }
    running_sink = nullptr;
    const std::lock_guard lock(sink.mutex);
    --sink.n_running;
    sink.idle.notify_all();
}

class Registration : public LogRegistration {
  public:
    explicit Registration(LogSink call) : sink_(std::make_shared<Sink>()) {
        sink_->call = std::move(call);
        const std::lock_guard lock(sinks().mutex);
        sinks().list.push_back(sink_);
    }

    ~Registration() override {
        {
            const std::lock_guard lock(sinks().mutex);
            auto &                list = sinks().list;
            list.erase(std::remove(list.begin(), list.end(), sink_), list.end());
        }
        const int        n_own = running_sink == sink_.get() ? 1 : 0;
        std::unique_lock lock(sink_->mutex);
        sink_->gone = true;
        sink_->idle.wait(lock, [&] { return sink_->n_running == n_own; });
    }

    Registration(const Registration &)             = delete;
    Registration & operator=(const Registration &) = delete;
    Registration(Registration &&)                  = delete;
    Registration & operator=(Registration &&)      = delete;

  private:
    std::shared_ptr<Sink> sink_;
};

void keep_error(const std::string & line) {
    if (errors.size() < kMostErrorBytes) {
        errors.append(errors.empty() ? "" : "; ").append(line, 0, kMostErrorBytes);
    }
}

void finish_line() {
    std::string line;
    line.swap(unfinished_line);
    switch (unfinished_level) {
        case GGML_LOG_LEVEL_ERROR:
            keep_error(line);
            log_line(LogLevel::error, line);
            break;
        case GGML_LOG_LEVEL_WARN:
            log_line(LogLevel::warn, line);
            break;
        default:
            log_line(LogLevel::debug, line);
    }
}

void take_text(ggml_log_level level, std::string_view text) {
    if (level != GGML_LOG_LEVEL_CONT) {
        if (!unfinished_line.empty()) {
            finish_line();
        }
        unfinished_level = level;
    }
    for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
        unfinished_line += text.substr(0, end);
        finish_line();
        text.remove_prefix(end + 1);
    }
    unfinished_line += text;
    if (unfinished_line.size() >= kMostLineBytes) {
        finish_line();
    }
}

}  // namespace

// llama.cpp logs lines in pieces, of which the first has the level. A line goes to the sinks once its newline has come.
void take_log_text(ggml_log_level level, const char * text, void * /*user_data*/) {
    try {
        take_text(level, text);
    } catch (const std::bad_alloc &) {  // C functions lie between this and whoever could catch it: the text is lost
        unfinished_line.clear();
    }
}

std::unique_ptr<LogRegistration> add_log_sink(LogSink sink) {
    return std::make_unique<Registration>(std::move(sink));
}

void log_line(LogLevel level, const std::string & line) {
    if (running_sink != nullptr) {
        return;
    }
    std::vector<std::shared_ptr<Sink>> list;
    {
        const std::lock_guard lock(sinks().mutex);
        list = sinks().list;
    }
    for (const auto & sink : list) {
        call(*sink, level, line);
    }
}

std::string take_errors() {
    std::string lines;
    lines.swap(errors);
    return lines;
}

}  // namespace jina_reranker
