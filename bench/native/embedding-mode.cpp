// What llama.cpp offers for scoring with a hidden state: embedding mode with pooling LAST, which also projects every token
// onto the vocabulary. Reads prompts as lines of token ids, packs them into decodes of at most n_batch tokens, and prints
// the seconds of every round as JSON.
//
//     embedding-mode LIBRARIES MODEL.gguf TOKENS.txt N_THREADS N_BATCH N_ROUNDS

#include "ggml-backend.h"
#include "llama-cpp.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Prompt = std::vector<llama_token>;

std::vector<Prompt> read_prompts(const char * path) {
    std::ifstream       file(path);
    std::vector<Prompt> prompts;
    for (std::string line; std::getline(file, line);) {
        std::istringstream numbers(line);
        prompts.emplace_back(std::istream_iterator<llama_token>(numbers), std::istream_iterator<llama_token>());
    }
    return prompts;
}

// Decodes all prompts once. The sum keeps every embedding in use.
double score_all(llama_context * context, const std::vector<Prompt> & prompts, int32_t n_batch, int32_t n_embd) {
    double      sum   = 0;
    llama_batch batch = llama_batch_init(n_batch, 0, 1);
    for (size_t next = 0; next < prompts.size();) {
        batch.n_tokens           = 0;
        llama_seq_id n_sequences = 0;
        while (next < prompts.size() && batch.n_tokens + static_cast<int32_t>(prompts[next].size()) <= n_batch) {
            for (size_t i = 0; i < prompts[next].size(); ++i, ++batch.n_tokens) {
                batch.token[batch.n_tokens]     = prompts[next][i];
                batch.pos[batch.n_tokens]       = static_cast<llama_pos>(i);
                batch.n_seq_id[batch.n_tokens]  = 1;
                batch.seq_id[batch.n_tokens][0] = n_sequences;
                batch.logits[batch.n_tokens]    = 1;
            }
            ++n_sequences;
            ++next;
        }
        llama_memory_clear(llama_get_memory(context), false);
        if (n_sequences == 0 || llama_decode(context, batch) != 0) {
            std::cerr << "a prompt does not fit, or llama_decode failed\n";
            std::exit(1);
        }
        for (llama_seq_id sequence = 0; sequence < n_sequences; ++sequence) {
            const float * embedding = llama_get_embeddings_seq(context, sequence);
            for (int32_t i = 0; i < n_embd; ++i) {
                sum += static_cast<double>(embedding[i]);
            }
        }
    }
    llama_batch_free(batch);
    return sum;
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 7) {
        std::cerr << "usage: embedding-mode LIBRARIES MODEL.gguf TOKENS.txt N_THREADS N_BATCH N_ROUNDS\n";
        return 2;
    }
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    ggml_backend_load_all_from_path(argv[1]);
    const auto    prompts   = read_prompts(argv[3]);
    const int32_t n_threads = std::atoi(argv[4]);
    const int32_t n_batch   = std::atoi(argv[5]);
    const int32_t n_rounds  = std::atoi(argv[6]);

    llama_model_params model_params = llama_model_default_params();
    model_params.n_gpu_layers       = 0;
    const llama_model_ptr model(llama_model_load_from_file(argv[2], model_params));
    llama_context_params  params = llama_context_default_params();
    params.n_ctx                 = static_cast<uint32_t>(n_batch);
    params.n_batch               = static_cast<uint32_t>(n_batch);
    params.n_ubatch              = static_cast<uint32_t>(n_batch);
    params.n_seq_max             = 64;
    params.n_threads             = n_threads;
    params.n_threads_batch       = n_threads;
    params.embeddings            = true;
    params.pooling_type          = LLAMA_POOLING_TYPE_LAST;
    params.kv_unified            = true;
    const llama_context_ptr context(model ? llama_init_from_model(model.get(), params) : nullptr);
    if (!context || prompts.empty()) {
        std::cerr << "no model, no context or no prompts\n";
        return 1;
    }

    std::cout << "{\"seconds\":[";
    for (int32_t round = 0; round < n_rounds; ++round) {
        const auto   start = std::chrono::steady_clock::now();
        const double sum   = score_all(context.get(), prompts, n_batch, llama_model_n_embd(model.get()));
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        if (sum != sum) {
            std::cerr << "the embeddings are not numbers\n";
            return 1;
        }
        std::cout << (round > 0 ? "," : "") << elapsed.count();
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::cout << "],\"peakBytes\":" << usage.ru_maxrss * 1024 << "}\n";
    return 0;
}
