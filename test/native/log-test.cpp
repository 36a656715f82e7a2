// How pieces of text become lines, which errors are kept, and sinks that throw, log, wait and go away.

#include "log.h"

#include "check.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

using namespace jina_reranker;

namespace {

using Lines = std::vector<std::pair<LogLevel, std::string>>;

std::unique_ptr<LogRegistration> collect(Lines & lines) {
    return add_log_sink([&lines](LogLevel level, const std::string & line) { lines.emplace_back(level, line); });
}

void log(ggml_log_level level, const std::string & text) {
    take_log_text(level, text.c_str(), nullptr);
}

void keeps_the_cause_of_a_failure_in_front() {
    take_errors();
    log(GGML_LOG_LEVEL_ERROR, "failed to allocate a buffer of size 5\n");
    log(GGML_LOG_LEVEL_INFO, "cleaning up\n");
    log(GGML_LOG_LEVEL_ERROR, "failed to load model\n");
    CHECK_EQUAL(take_errors(), std::string("failed to allocate a buffer of size 5; failed to load model"));
    CHECK_EQUAL(take_errors(), std::string());
}

void keeps_a_bounded_number_of_errors() {
    take_errors();
    log(GGML_LOG_LEVEL_ERROR, "the cause\n");
    for (int i = 0; i < 10000; ++i) {
        log(GGML_LOG_LEVEL_ERROR, "a line that says less\n");
    }
    const std::string errors = take_errors();
    CHECK_EQUAL(errors.rfind("the cause", 0), size_t{ 0 });
    CHECK(errors.size() < 5000);
}

void makes_lines_of_pieces() {
    Lines      lines;
    const auto registration = collect(lines);
    log(GGML_LOG_LEVEL_WARN, "one, ");
    log(GGML_LOG_LEVEL_CONT, "two\nthree\n");
    log(GGML_LOG_LEVEL_INFO, "....");
    log(GGML_LOG_LEVEL_ERROR, "bad: ");
    log(GGML_LOG_LEVEL_CONT, "worse\n");
    const Lines expected = {
        { LogLevel::warn, "one, two" },
        { LogLevel::warn, "three" },
        { LogLevel::debug, "...." },
        { LogLevel::error, "bad: worse" },
    };
    CHECK(lines == expected);
    CHECK_EQUAL(take_errors(), std::string("bad: worse"));
}

void passes_a_line_without_end_on_in_pieces() {
    Lines      lines;
    const auto registration = collect(lines);
    log(GGML_LOG_LEVEL_INFO, "x");
    for (int i = 0; i < 100000; ++i) {
        log(GGML_LOG_LEVEL_CONT, "x");
    }
    CHECK(lines.size() > 5);
    log(GGML_LOG_LEVEL_CONT, "\n");
    size_t n_bytes = 0;
    for (const auto & [level, line] : lines) {
        n_bytes += line.size();
    }
    CHECK_EQUAL(n_bytes, size_t{ 100001 });
}

void survives_a_sink_that_throws() {
    const auto throwing = add_log_sink([](LogLevel, const std::string &) { throw std::runtime_error("mine"); });
    Lines      lines;
    const auto registration = collect(lines);
    log(GGML_LOG_LEVEL_INFO, "a line\n");
    log_line(LogLevel::info, "another");
    CHECK_EQUAL(lines.size(), size_t{ 2 });
}

void lets_a_sink_log_and_remove_itself() {
    int                              n_calls = 0;
    std::unique_ptr<LogRegistration> registration;
    registration = add_log_sink([&](LogLevel, const std::string &) {
        ++n_calls;
        log_line(LogLevel::info, "from within");
        registration.reset();
    });
    log_line(LogLevel::info, "a line");
    log_line(LogLevel::info, "another");
    CHECK_EQUAL(n_calls, 1);
}

// A sink may wait for another thread that logs: it must not deadlock.
void does_not_make_a_thread_wait_for_anothers_sink() {
    std::mutex              mutex;
    std::condition_variable wakes;
    bool                    logged       = false;
    bool                    in_time      = true;
    const auto              registration = add_log_sink([&](LogLevel, const std::string & line) {
        if (line != "wait") {
            return;
        }
        std::thread other([&] {
            log_line(LogLevel::info, "meanwhile");
            const std::lock_guard lock(mutex);
            logged = true;
            wakes.notify_one();
        });
        {
            std::unique_lock lock(mutex);
            in_time = wakes.wait_for(lock, std::chrono::seconds(20), [&] { return logged; });
        }
        other.detach();
    });
    log_line(LogLevel::info, "wait");
    CHECK(in_time);
}

void calls_no_sink_after_its_end() {
    std::atomic<bool>        stop{ false };
    std::atomic<size_t>      n_logged{ 0 };
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
            while (!stop) {
                log(GGML_LOG_LEVEL_INFO, "a line\n");
                n_logged += 1;
            }
        });
    }
    for (int i = 0; i < 200; ++i) {
        const size_t before       = n_logged;
        auto         n_calls      = std::make_unique<std::atomic<size_t>>(0);
        auto         registration = add_log_sink([&calls = *n_calls](LogLevel, const std::string &) { calls += 1; });
        while (n_logged < before + 5) {
            std::this_thread::yield();
        }
        registration.reset();
        n_calls.reset();  // AddressSanitizer would see a call that comes now
    }
    stop = true;
    for (std::thread & thread : threads) {
        thread.join();
    }
    CHECK(n_logged >= 1000);
}

}  // namespace

int main() {
    return check::run({
        { "keeps the cause of a failure in front", keeps_the_cause_of_a_failure_in_front },
        { "keeps a bounded number of errors", keeps_a_bounded_number_of_errors },
        { "makes lines of pieces", makes_lines_of_pieces },
        { "passes a line without end on in pieces", passes_a_line_without_end_on_in_pieces },
        { "survives a sink that throws", survives_a_sink_that_throws },
        { "calls no sink after its end", calls_no_sink_after_its_end },
        { "does not make a thread wait for another's sink", does_not_make_a_thread_wait_for_anothers_sink },
        { "lets a sink log and remove itself", lets_a_sink_log_and_remove_itself },
    });
}
