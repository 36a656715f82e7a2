// Damaged GGUF files, cut, flipped, with values and counts that lie, through the check, the load and one score; every third is a
// vision tower's, which looks at an image. Each must
// be taken or refused with an Error: no abort (a failed GGML_ASSERT ends the process), no sanitizer report, no gigabytes
// for a file of kilobytes, no endless loop. Inputs run in forked children, so that the fuzzer outlives them; a finding is
// printed with the seed that makes it again.
//
//     fuzz-gguf [--seconds N] [--seed S] [--once]        --once runs the one input of that seed in this process

#include "backend.h"
#include "cpu-backend.h"
#include "engine.h"
#include "error.h"
#include "gguf-damage.h"
#include "gguf-model.h"
#include "quantize.h"
#include "vision.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>

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

void look(const std::string & path) {
    const GgufFile         file(path);
    const ggml_backend_ptr backend = cpu_backend(1);
    const VisionWeights    weights(file, check_mmproj(file, gguf_model::kWidth), ggml_backend_get_device(backend.get()),
                                   LoadProgress());
    Vision                 vision(weights, backend.get(), { 1, 6 });
    constexpr int32_t      kSide = 2 * kTokenPixels;
    vision.begin({ kSide, kSide, std::vector<uint8_t>(size_t{ 3 } * kSide * kSide, 100) });
    while (vision.step(1)) {
    }
    vision.take();
}

void run_input(uint64_t seed, const std::string & path, Progress & progress) {
    progress.seed       = seed;
    const bool is_tower = seed % 3 == 0;
    gguf_model::write(path, gguf_damage::input_of(seed, is_tower ? gguf_model::small_tower() : gguf_model::small()));
    try {
        if (is_tower) {
            check_mmproj(GgufFile(path), gguf_model::kWidth);
        } else {
            inspect(path);  // checks, too
        }
    } catch (const Error &) {
        progress.refused += 1;
        return;
    }
    try {
        if (is_tower) {
            look(path);
        } else {
            score(path);
        }
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
// NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizer looks for this name.
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
