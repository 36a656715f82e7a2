#include "backend.h"

#include "error.h"
#include "ggml-cpu.h"
#include "llama.h"

#include <algorithm>
#include <filesystem>
#include <list>
#include <mutex>
#include <set>
#include <system_error>

#ifndef _WIN32
#    include <dlfcn.h>
#endif

namespace jina_reranker {

namespace {

struct Registry {
    std::mutex                  mutex;
    std::set<std::string>       directories;
    std::vector<BackendFailure> failures;
};

Registry & registry() {
    static Registry instance;
    return instance;
}

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

// llama.cpp logs in pieces; a line is passed on when its newline has come.
void on_log(ggml_log_level level, const char * text, void * /*user_data*/) {
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

void init_once() {
    static std::once_flag once;
    std::call_once(once, [] {
        llama_log_set(on_log, nullptr);
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
    std::string name = path.stem().string();
    name             = name.substr(name.find("ggml-") + 5);
    return name.substr(0, name.find('-'));
}

bool is_registered(std::string name) {
    const auto lower = [](std::string text) {
        std::transform(text.begin(), text.end(), text.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        return text;
    };
    name = lower(name);
    for (size_t i = 0; i < ggml_backend_reg_count(); ++i) {
        const std::string other = lower(ggml_backend_reg_name(ggml_backend_reg_get(i)));
        if (other == name || (name == "metal" && other == "mtl")) {
            return true;
        }
    }
    return false;
}

std::string why_not_loaded(const std::filesystem::path & path) {
#ifndef _WIN32
    struct Close {
        void operator()(void * handle) const { dlclose(handle); }
    };

    const std::unique_ptr<void, Close> handle(dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL));
    if (!handle) {
        const char * reason = dlerror();
        return reason != nullptr ? reason : "the dynamic loader refused it";
    }
#endif
    return "it loads, and offers no usable device on this machine";
}

}  // namespace

void load_backends(const std::string & directory) {
    init_once();
    Registry &                  state = registry();
    const std::lock_guard       lock(state.mutex);
    std::error_code             error;
    const std::filesystem::path path = std::filesystem::canonical(directory, error);
    if (error) {
        throw Error(ErrorCode::backend_unavailable, directory + ": " + error.message());
    }
    if (!state.directories.insert(path.string()).second) {
        return;
    }
    ggml_backend_load_all_from_path(path.string().c_str());

    std::set<std::string> reported;
    for (const auto & entry : std::filesystem::directory_iterator(path, error)) {
        if (!is_backend_library(entry.path())) {
            continue;
        }
        const std::string backend = backend_of(entry.path());
        if (!is_registered(backend) && reported.insert(backend).second) {
            state.failures.push_back({ entry.path().string(), why_not_loaded(entry.path()) });
        }
    }
}

void require_backends() {
    init_once();
    if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) == nullptr) {
        Registry &            state = registry();
        const std::lock_guard lock(state.mutex);
        std::string           message = "no CPU backend is loaded; looked in";
        for (const std::string & directory : state.directories) {
            message += " " + directory;
        }
        for (const BackendFailure & failure : state.failures) {
            message += "; " + failure.path + ": " + failure.reason;
        }
        throw Error(ErrorCode::backend_unavailable, message);
    }
}

BackendsInfo backends_info() {
    init_once();
    BackendsInfo info;
    for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
        ggml_backend_dev_t device = ggml_backend_dev_get(i);
        size_t             free   = 0;
        size_t             total  = 0;
        ggml_backend_dev_memory(device, &free, &total);
        info.devices.push_back({ ggml_backend_dev_name(device), ggml_backend_dev_description(device),
                                 ggml_backend_reg_name(ggml_backend_dev_backend_reg(device)),
                                 ggml_backend_dev_type(device), free, total });
    }
    if (ggml_backend_reg_t cpu = ggml_backend_reg_by_name("CPU")) {
        const auto get_features = reinterpret_cast<ggml_backend_get_features_t>(
            ggml_backend_reg_get_proc_address(cpu, "ggml_backend_get_features"));
        if (get_features != nullptr) {
            for (const ggml_backend_feature * feature = get_features(cpu); feature->name != nullptr; ++feature) {
                info.cpu_features.emplace_back(feature->name);
            }
        }
    }
    const std::lock_guard lock(registry().mutex);
    info.failures = registry().failures;
    return info;
}

namespace {

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
