// The forward pass with any rows, for whoever compares it with something: prints the logit of one pair, computed with f32 KV state.
// ROWS: i32 n_rows, n_rows times i32 { token, or -1 for the next embedding; t, h, w }, then the embeddings, f32. HEAD: f32 w1, b1, w2,
// b2, logit_bias. test/engine/image-parity.test.ts runs this.
//
//     forward-run LIBRARIES MODEL.gguf HEAD ROWS

#include "backend.h"
#include "forward.h"
#include "gguf-check.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

using namespace jina_reranker;

namespace {

template <typename Number>
std::vector<Number> read(std::istream & stream, size_t n) {
    std::vector<Number> numbers(n);
    if (!stream.read(reinterpret_cast<char *>(numbers.data()), static_cast<std::streamsize>(n * sizeof(Number)))) {
        throw std::runtime_error("a file is too short");
    }
    return numbers;
}

HeadWeights read_head(const std::string & path, size_t n_embd) {
    std::ifstream file(path, std::ios::binary);
    HeadWeights   head;
    head.w1         = read<float>(file, n_embd * n_embd);
    head.b1         = read<float>(file, n_embd);
    head.w2         = read<float>(file, n_embd);
    head.b2         = read<float>(file, 1)[0];
    head.logit_bias = read<float>(file, 1)[0];
    return head;
}

MixedRows read_rows(const std::string & path, size_t n_embd) {
    std::ifstream file(path, std::ios::binary);
    MixedRows     rows;
    const auto    n          = static_cast<size_t>(read<int32_t>(file, 1)[0]);
    size_t        n_embedded = 0;
    for (size_t i = 0; i < n; ++i) {
        const auto row = read<int32_t>(file, 4);
        rows.tokens.push_back(row[0]);
        rows.positions.push_back({ row[1], row[2], row[3] });
        n_embedded += row[0] < 0 ? 1U : 0U;
    }
    rows.embeddings = read<float>(file, n_embedded * n_embd);
    return rows;
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 5) {
        std::cerr << "usage: forward-run LIBRARIES MODEL.gguf HEAD ROWS\n";
        return 2;
    }
    load_backends(argv[1]);
    const GgufFile file(argv[2]);
    check_gguf(file);
    const auto              n_embd = static_cast<size_t>(shape_of(file).n_embd);
    const MixedRows         rows   = read_rows(argv[4], n_embd);
    const auto              n_rows = static_cast<int32_t>(rows.tokens.size());
    const ThreadPool        threads(2);
    const std::atomic<bool> abort{ false };
    ForwardOptions          options;
    options.n_threads = 2;
    options.n_batch   = n_rows;
    options.n_context = n_rows;
    options.n_pages   = pages_of(n_rows) + 1;
    options.kv_type   = KvType::f32;
    options.images    = true;
    Forward              forward(file, read_head(argv[3], n_embd), options, threads, abort, LoadProgress());
    std::vector<int32_t> pages;
    for (int32_t i = 0; i < pages_of(n_rows); ++i) {
        pages.push_back(forward.pages().take().value());
    }
    Batch batch;
    batch.add(rows, 0, pages, true);
    std::printf("%.9g\n", static_cast<double>(forward.run(std::move(batch))[0]));
    return 0;
}
