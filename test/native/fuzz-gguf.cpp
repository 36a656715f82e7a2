// Damaged GGUF files, cut, flipped, with values and counts that lie, through the check, the load and one score. Each must
// be taken or refused with an Error: no abort (a failed GGML_ASSERT ends the process), no sanitizer report, no gigabytes
// for a file of kilobytes, no endless loop. Inputs run in forked children, so that the fuzzer outlives them; a finding is
// printed with the seed that makes it again.
//
//     fuzz-gguf [--seconds N] [--seed S] [--once]        --once runs the one input of that seed in this process

#include "backend.h"
#include "engine.h"
#include "error.h"
#include "gguf-check.h"
#include "gguf-model.h"
#include "quantize.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <random>

using namespace jina_reranker;

namespace {

constexpr uint64_t kInputsPerChild  = 100;
constexpr unsigned kSecondsPerInput = 60;  // the machine may be busy
constexpr uint64_t kMaxBytes        = 512U << 20U;

// Shared between the fuzzer and its children.
struct Progress {
    uint64_t seed     = 0;  // of the input that is running
    uint64_t taken    = 0;
    uint64_t refused  = 0;  // by the check
    uint64_t unloaded = 0;  // by llama.cpp or the engine, after the check
};

using Random = std::mt19937_64;

template <typename T>
const T & any_of(Random & random, const std::vector<T> & values) {
    return values[random() % values.size()];
}

uint64_t lie(Random & random) {
    static const std::vector<uint64_t> values = {
        0,          1,          2,          3,           4,          7,          31,         63,
        64,         65,         128,        255,         256,        511,        512,        513,
        1000,       4096,       65535,      65536,       1000000,    0x3FFFFFFF, 0x40000000, 0x7FFFFFFF,
        0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0x100000000, 1ULL << 40, 1ULL << 61, 1ULL << 62, 0x7FFFFFFFFFFFFFFF,
        ~0ULL - 31, ~0ULL,
    };
    return any_of(random, values);
}

// Keys that llama.cpp reads for every architecture, or looks for by name.
const std::vector<std::string> & known_keys() {
    static const std::vector<std::string> keys = {
        "",
        "general.alignment",
        "general.architecture",
        "general.name",
        "general.type",
        "general.file_type",
        "general.quantization_version",
        "general.sampling.top_k",
        "qwen2vl.vocab_size",
        "qwen2vl.context_length",
        "qwen2vl.embedding_length",
        "qwen2vl.embedding_length_out",
        "qwen2vl.block_count",
        "qwen2vl.feed_forward_length",
        "qwen2vl.expert_count",
        "qwen2vl.expert_used_count",
        "qwen2vl.expert_group_count",
        "qwen2vl.expert_group_used_count",
        "qwen2vl.nextn_predict_layers",
        "qwen2vl.n_deepstack_layers",
        "qwen2vl.pooling_type",
        "qwen2vl.logit_scale",
        "qwen2vl.attention.causal",
        "qwen2vl.attention.head_count",
        "qwen2vl.attention.head_count_kv",
        "qwen2vl.attention.key_length",
        "qwen2vl.attention.value_length",
        "qwen2vl.attention.key_length_swa",
        "qwen2vl.attention.value_length_swa",
        "qwen2vl.attention.layer_norm_rms_epsilon",
        "qwen2vl.attention.sliding_window",
        "qwen2vl.attention.max_alibi_bias",
        "qwen2vl.rope.dimension_count",
        "qwen2vl.rope.dimension_count_swa",
        "qwen2vl.rope.dimension_sections",
        "qwen2vl.rope.freq_base",
        "qwen2vl.rope.scale_linear",
        "qwen2vl.rope.scaling.type",
        "qwen2vl.rope.scaling.factor",
        "qwen2vl.rope.scaling.alpha",
        "qwen2vl.rope.scaling.attn_factor",
        "qwen2vl.rope.scaling.original_context_length",
        "qwen2vl.rope.scaling.finetuned",
        "qwen2vl.rope.scaling.yarn_log_multiplier",
        "qwen2vl.rope.scaling.yarn_ext_factor",
        "qwen2vl.classifier.output_labels",
        "split.no",
        "split.count",
        "split.tensors.count",
        "tokenizer.chat_template",
        "tokenizer.ggml.model",
        "tokenizer.ggml.pre",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type",
        "tokenizer.ggml.token_type_count",
        "tokenizer.ggml.scores",
        "tokenizer.ggml.merges",
        "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.unknown_token_id",
        "tokenizer.ggml.padding_token_id",
        "tokenizer.ggml.add_bos_token",
        "tokenizer.ggml.add_eos_token",
        "tokenizer.ggml.add_sep_token",
        "tokenizer.ggml.add_space_prefix",
        "tokenizer.ggml.precompiled_charsmap",
        "tokenizer.ggml.suppress_tokens",
        "adapter.type",
    };
    return keys;
}

const std::vector<std::string> & known_words() {
    static const std::vector<std::string> words = {
        "",           "qwen2vl",     "clip",       "llama",     "gpt2",     "bert",    "t5",     "rwkv",  "plamo2",
        "none",       "no_vocab",    "qwen2",      "linear",    "longrope", "yarn",    "\xff",   "phi-3", "a b c",
        "[EMPTY_12]", "<|box_end|>", "whitespace", "hybriddna", "kimi-k2",  "default", "unused",
    };
    return words;
}

std::string random_payload(Random & random, int32_t type) {
    switch (type) {
        case GGUF_TYPE_STRING:
            return gguf_model::bytes_of_string(any_of(random, known_words()));
        case GGUF_TYPE_FLOAT32: {
            static const std::vector<float> floats = { 0.0f, -1.0f, 1e-30f, 1e30f, NAN, INFINITY, 1.0f };
            return gguf_model::bytes_of(any_of(random, floats));
        }
        case GGUF_TYPE_ARRAY: {
            const auto     item  = static_cast<int32_t>(random() % (GGUF_TYPE_COUNT + 1));
            const uint64_t count = random() % 4 == 0 ? lie(random) : random() % 6;
            std::string    out   = gguf_model::bytes_of(item) + gguf_model::bytes_of(count);
            for (uint64_t i = 0; i < std::min<uint64_t>(count, 600) && item != GGUF_TYPE_ARRAY; ++i) {
                out += random_payload(random, item);
            }
            return out;
        }
        default: {
            // By gguf_type; of those that are none, 4.
            static const std::vector<size_t> sizes = { 1, 1, 2, 2, 4, 4, 4, 1, 8, 4, 8, 8, 8 };
            const auto                       index = static_cast<size_t>(type);
            return gguf_model::bytes_of(lie(random)).substr(0, index < sizes.size() ? sizes[index] : 4);
        }
    }
}

void spoil_entry(Random & random, gguf_model::File & file) {
    if (file.entries.empty()) {
        return;
    }
    gguf_model::Entry & entry = file.entries[random() % file.entries.size()];
    switch (random() % 8) {
        case 0:
            entry.key = any_of(random, known_keys());
            break;
        case 1:
            entry.type = static_cast<int32_t>(random() % (GGUF_TYPE_COUNT + 2));
            break;
        case 2:
            entry.type    = static_cast<int32_t>(random() % GGUF_TYPE_COUNT);
            entry.payload = random_payload(random, entry.type);
            break;
        case 3:
            entry.payload = random_payload(random, entry.type);
            break;
        case 4:
            file.entries.erase(file.entries.begin() + (&entry - file.entries.data()));
            break;
        case 5:
            file.entries.push_back(gguf_model::Entry(entry));
            break;
        default:
            // Within an array: its length, its type, or the bytes of its values.
            if (entry.payload.size() >= 8) {
                const size_t      at    = random() % 3 == 0 ? 4 : random() % (entry.payload.size() - 7);
                const std::string bytes = gguf_model::bytes_of(lie(random));
                entry.payload.replace(at, 8, bytes);
            }
    }
}

void add_entry(Random & random, gguf_model::File & file) {
    static const std::vector<int32_t> usual = { GGUF_TYPE_UINT32, GGUF_TYPE_UINT32, GGUF_TYPE_FLOAT32, GGUF_TYPE_STRING,
                                                GGUF_TYPE_BOOL,   GGUF_TYPE_UINT16, GGUF_TYPE_ARRAY };
    const int32_t type = random() % 4 == 0 ? static_cast<int32_t>(random() % GGUF_TYPE_COUNT) : any_of(random, usual);
    file.set({ any_of(random, known_keys()), type, random_payload(random, type) });
}

void spoil_tensor(Random & random, gguf_model::File & file) {
    if (file.tensors.empty()) {
        return;
    }
    gguf_model::Tensor & tensor = file.tensors[random() % file.tensors.size()];
    int32_t              type   = GGML_TYPE_F32;
    switch (random() % 8) {
        case 0:
            tensor.type = static_cast<int32_t>(random() % (GGML_TYPE_COUNT + 2)) - 1;
            break;
        case 1:  // of all vectors, or of all matrices
            type = static_cast<int32_t>(random() % GGML_TYPE_COUNT);
            for (gguf_model::Tensor & each : file.tensors) {
                if (each.shape.size() == tensor.shape.size()) {
                    each.type = type;
                }
            }
            break;
        case 2:
            tensor.offset = lie(random);
            break;
        case 3:
            tensor.shape.push_back(static_cast<int64_t>(random() % 2 == 0 ? 1 : lie(random)));
            break;
        case 4:
            if (!tensor.shape.empty()) {
                tensor.shape[random() % tensor.shape.size()] = static_cast<int64_t>(lie(random));
            }
            break;
        case 5:
            tensor.name = random() % 2 == 0 ? any_of(random, file.tensors).name : any_of(random, known_words());
            break;
        case 6:
            file.tensors.erase(file.tensors.begin() + (&tensor - file.tensors.data()));
            break;
        default:
            file.tensors.push_back({ "output.weight", tensor.shape, tensor.type, {} });
    }
}

void spoil_bytes(Random & random, std::string & bytes) {
    const size_t header = std::min<size_t>(bytes.size(), 9000);
    switch (random() % 5) {
        case 0:
            bytes.resize(random() % (random() % 2 == 0 ? header : bytes.size()));
            break;
        case 1:
            for (uint64_t i = 0; i < 1 + random() % 4; ++i) {
                bytes[random() % header] ^= static_cast<char>(1U << (random() % 8));
            }
            break;
        case 2:
            bytes.replace(random() % (header - 8), 8, gguf_model::bytes_of(lie(random)));
            break;
        case 3:
            bytes.replace(random() % (header - 8), 4, gguf_model::bytes_of(static_cast<uint32_t>(lie(random))));
            break;
        default:
            bytes.erase(random() % header, 1 + random() % 16);
    }
}

std::string input_of(uint64_t seed) {
    Random           random(seed);
    gguf_model::File file = gguf_model::small();
    const uint64_t   n    = random() % 4;
    for (uint64_t i = 0; i < n; ++i) {
        switch (random() % 7) {
            case 0:
            case 1:
                spoil_entry(random, file);
                break;
            case 2:
            case 3:
                add_entry(random, file);
                break;
            case 4:
            case 5:
                spoil_tensor(random, file);
                break;
            default:
                switch (random() % 3) {
                    case 0:
                        file.n_tensors = lie(random);
                        break;
                    case 1:
                        file.n_entries = lie(random);
                        break;
                    default:
                        file.version = static_cast<uint32_t>(lie(random));
                }
        }
    }
    std::string bytes = file.bytes();
    if (n == 0 || random() % 4 == 0) {
        spoil_bytes(random, bytes);
    }
    return bytes;
}

HeadWeights head() {
    constexpr size_t n = gguf_model::kWidth;
    HeadWeights      weights;
    weights.w1.assign(n * n, 0.01f);
    weights.b1.assign(n, 0.0f);
    weights.w2.assign(n, 0.01f);
    return weights;
}

void score(const std::string & path) {
    EngineOptions options;
    options.model_path   = path;
    options.context_size = 128;
    options.batch_tokens = 64;
    options.n_gpu_layers = 0;
    options.n_threads    = 1;
    Engine                  engine(options, head(), {});
    std::mutex              mutex;
    std::condition_variable wakes;
    bool                    done = false;
    ScoreRequest            request;
    request.query     = "the river";
    request.documents = { "in the house", "a \xc3\xa9 <|im_end|> 12\n" };
    engine.submit(std::move(request), [&](const JobOutcome & /*outcome*/) {
        const std::lock_guard lock(mutex);
        done = true;
        wakes.notify_one();
    });
    std::unique_lock lock(mutex);
    wakes.wait(lock, [&] { return done; });
}

void run_input(uint64_t seed, const std::string & path, Progress & progress) {
    progress.seed = seed;
    gguf_model::write(path, input_of(seed));
    try {
        inspect(path);  // checks, too
    } catch (const Error &) {
        progress.refused += 1;
        return;
    }
    try {
        score(path);
        progress.taken += 1;
    } catch (const Error &) {
        progress.unloaded += 1;
    }
}

void run_child(uint64_t first, const std::string & path, Progress & progress) {
#if !defined(__SANITIZE_ADDRESS__)  // which reserves terabytes of addresses; it has its own limit
    const rlimit limit = { 4 * kMaxBytes, 4 * kMaxBytes };
    setrlimit(RLIMIT_AS, &limit);
#endif
    const rlimit no_core = { 0, 0 };
    setrlimit(RLIMIT_CORE, &no_core);
    for (uint64_t seed = first; seed < first + kInputsPerChild; ++seed) {
        alarm(kSecondsPerInput);
        run_input(seed, path, progress);
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    if (static_cast<uint64_t>(usage.ru_maxrss) * 1024 > kMaxBytes) {
        std::fprintf(stderr, "used %ld MiB\n", usage.ru_maxrss / 1024);
        _exit(3);
    }
}

}  // namespace

// With sanitizers: an allocation beyond this for a file of kilobytes is a finding.
extern "C" const char * __asan_default_options() {
    return "max_allocation_size_mb=512:detect_leaks=0";
}

int main(int argc, char ** argv) {
    int64_t  seconds = 3;
    uint64_t seed    = 1;
    bool     once    = false;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--once") {
            once = true;
        } else if (name == "--seconds" && i + 1 < argc) {
            seconds = std::atoll(argv[++i]);
        } else if (name == "--seed" && i + 1 < argc) {
            seed = std::strtoull(argv[++i], nullptr, 10);
        } else {
            std::fprintf(stderr, "usage: fuzz-gguf [--seconds N] [--seed S] [--once]\n");
            return 2;
        }
    }
    setenv("GGML_NO_BACKTRACE", "1", 1);
    load_backends(JINA_RERANKER_LIBRARIES);
    const std::string path =
        (std::filesystem::temp_directory_path() / ("fuzz-gguf-" + std::to_string(getpid()) + ".gguf")).string();

    auto * const shared = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        std::perror("mmap");
        return 1;
    }
    auto & progress = *new (shared) Progress;
    if (once) {
        run_input(seed, path, progress);
        std::printf("%s, kept as %s\n",
                    progress.taken > 0   ? "scored" :
                    progress.refused > 0 ? "refused" :
                                           "not loaded",
                    path.c_str());
        return 0;
    }

    const auto end      = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    uint64_t   findings = 0;
    while (std::chrono::steady_clock::now() < end) {
        std::fflush(nullptr);
        const pid_t child = fork();
        if (child < 0) {
            std::perror("fork");
            return 1;
        }
        if (child == 0) {
            run_child(seed, path, progress);
            std::fflush(nullptr);
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        if (status == 0) {
            seed += kInputsPerChild;
            continue;
        }
        ++findings;
        std::printf("FOUND --once --seed %llu: %s %d\n", static_cast<unsigned long long>(progress.seed),
                    WIFSIGNALED(status) ? "signal" : "exit",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        seed = progress.seed + 1;
    }
    std::filesystem::remove(path);
    const uint64_t runs = progress.taken + progress.refused + progress.unloaded + findings;
    std::printf("%llu inputs: %llu scored, %llu refused by the check, %llu by what follows, %llu findings\n",
                static_cast<unsigned long long>(runs), static_cast<unsigned long long>(progress.taken),
                static_cast<unsigned long long>(progress.refused), static_cast<unsigned long long>(progress.unloaded),
                static_cast<unsigned long long>(findings));
    return findings == 0 && progress.taken > 0 && progress.refused > 0 ? 0 : 1;
}
