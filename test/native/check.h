#pragma once

// The engine tests' few assertions. A failed one prints where and what, and makes the program exit 1.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace check {

inline int & failures() {
    static int count = 0;
    return count;
}

inline void fail(const char * file, int line, const std::string & what) {
    std::cerr << file << ":" << line << ": " << what << "\n";
    ++failures();
}

template <typename A, typename B>
void equal(const A & actual, const B & expected, const char * text, const char * file, int line) {
    if (!(actual == expected)) {
        std::ostringstream message;
        message << text << ": got " << actual << ", expected " << expected;
        fail(file, line, message.str());
    }
}

// Runs tests, each named by a sentence; returns main's exit code.
inline int run(const std::vector<std::pair<const char *, std::function<void()>>> & tests) {
    for (const auto & [name, test] : tests) {
        const int before = failures();
        try {
            test();
        } catch (const std::exception & error) {
            fail(name, 0, std::string("threw ") + error.what());
        }
        std::cout << (failures() == before ? "ok   " : "FAIL ") << name << "\n";
    }
    return failures() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace check

#define CHECK(condition)                                              \
    do {                                                              \
        if (!(condition)) {                                           \
            check::fail(__FILE__, __LINE__, "not true: " #condition); \
        }                                                             \
    } while (false)

#define CHECK_EQUAL(actual, expected) check::equal(actual, expected, #actual, __FILE__, __LINE__)

#define CHECK_ERROR(expression, expected_code)                                                                         \
    do {                                                                                                               \
        bool thrown = false;                                                                                           \
        try {                                                                                                          \
            static_cast<void>(expression);                                                                             \
        } catch (const jina_reranker::Error & error) {                                                                 \
            thrown = true;                                                                                             \
            check::equal(std::string(jina_reranker::error_code_name(error.code)),                                      \
                         std::string(jina_reranker::error_code_name(expected_code)), #expression, __FILE__, __LINE__); \
        }                                                                                                              \
        if (!thrown) {                                                                                                 \
            check::fail(__FILE__, __LINE__, "threw nothing: " #expression);                                            \
        }                                                                                                              \
    } while (false)
