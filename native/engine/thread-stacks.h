#pragma once

// The size of threads' stacks, where the system's default is too small.

#include <cstddef>

namespace jina_reranker {

// Bytes. glibc's default, and the most that musl allows as a default.
constexpr size_t kThreadStack = size_t(8) << 20;

// Gives every thread that is started from now on a stack of kThreadStack: ours, ggml's and llama.cpp's. Of the systems that we
// run on only musl needs it: its default is 128 KiB, and a function that overflows that ends the process without a word. A stack
// takes address space; memory only as far as it is used. Does nothing elsewhere.
void raise_thread_stacks();

}  // namespace jina_reranker
