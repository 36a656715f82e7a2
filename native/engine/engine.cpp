#include "engine.h"

#include "batch-shape.h"
#include "store-identity.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

namespace jina_reranker {

namespace {

constexpr int32_t kBatchTokensCpu  = 512;
constexpr int32_t kBatchTokensGpu  = 2048;
constexpr int32_t kShortestPrompt  = 16;                  // tokens; the headings alone are 9
constexpr int32_t kMostPairs       = 128;                 // of a batch
constexpr size_t  kMostCachedPages = size_t{ 1 } << 26U;  // cells are counted in 32 bits
constexpr int32_t kOwnPages        = 1;                   // Forward's
// Texts of 2 million tokens of English, and these tokens; the KV state of so many takes 60 GB.
constexpr size_t  kKnownTextBytes  = size_t{ 16 } << 20U;
// Gathered by a batch beside those of the longest pair where ggml computes attention: some 200 MB with this model's K and V.
constexpr int32_t kGatheredCells   = 65536;
// An image's step costs at most the work of so small a part of a batch, where a layer does not cost more: a request that comes
// meanwhile waits for its end.
constexpr int32_t kStepsPerBatch   = 8;
// A strip as long as images may be is as high as a token, whatever the limit: its sides differ 200 times.
constexpr int32_t kLongestStrip    = 200;  // tokens

// Pages that batches need beside the cache: the longest pair, partly computed, and a batch of others, each of which may leave
// most of a page empty.
int32_t pages_of_batches(const EngineInfo & info) {
    return pages_of(info.context_size) + pages_of(info.batch_tokens) + info.n_seq_max;
}

}  // namespace

Engine::Engine(EngineOptions options, const HeadWeights & head, const LoadProgress & progress) :
    options_(std::move(options)),
    model_(std::make_unique<Model>(options_.model_path,
                                   Placement{ options_.backend, options_.device, options_.n_gpu_layers })) {
    const bool      on_gpu = model_->on_gpu();
    const TokenWork token_work(model_->attention_cells());
    resolve(on_gpu);
    std::optional<VisionShape> tower;
    std::optional<ImageMarks>  marks;
    if (!options_.mmproj_path.empty()) {
        tower_file_.emplace(options_.mmproj_path);
        tower = check_mmproj(*tower_file_, info_.n_embd);
        marks = model_->image_marks();
        describe_tower(*tower);
    }

    const size_t page_bytes     = KvPages::page_bytes(shape_of(model_->file()), ggml_type_of(options_.kv_type));
    const auto   n_cached_pages = static_cast<int32_t>(std::min(cache_bytes() / page_bytes, kMostCachedPages));

    keeps_documents_ = n_cached_pages > 0;

    QueueLimits queue;
    queue.max_pairs    = options_.max_queued_pairs;
    queue.deduplicate  = options_.deduplicate;
    queue.context_size = info_.context_size;
    queue.stores       = !options_.document_store.directory.empty();
    queue.token_work   = token_work;
    queue.image_work   = info_.vision ? info_.vision->work_per_token : 0;

    PlannerLimits planner;
    planner.n_batch    = info_.batch_tokens;
    planner.n_pairs    = info_.n_seq_max;
    planner.n_pages    = pages_of_batches(info_);
    planner.n_cells    = most_cells();
    planner.token_work = token_work;

    prompter_            = std::make_unique<Prompter>(model_->vocab(), model_->score_token(), info_.context_size,
                                           std::min(kKnownTextBytes, options_.document_cache_bytes), marks);
    threads_             = std::make_unique<ThreadPool>(info_.n_threads);
    queue_               = std::make_unique<JobQueue>(queue);
    scores_              = std::make_unique<ScoreCache>(options_.score_cache_bytes);
    const double n_tower = tower ? static_cast<double>(info_.vision->size_bytes) : 0;
    const double n_model = static_cast<double>(info_.size_bytes);
    const auto   part_of = [&](double begin, double n_bytes) {
        return [=](float fraction) {
            return !progress || progress(static_cast<float>((begin + n_bytes * fraction) / (n_tower + n_model)));
        };
    };
    forward_ = std::make_unique<Forward>(model_->file(), head, forward_options(n_cached_pages), *threads_, abort_,
                                         part_of(0, n_model));
    if (tower) {
        images_ = std::make_unique<ImageEncoder>(*tower_file_, *tower, encoder_options(), *threads_, abort_,
                                                 part_of(n_model, n_tower));
    }
    if (!options_.document_store.directory.empty()) {
        open_store(head);
    }
    loop_      = std::make_unique<EngineLoop>(LoopParts{ *queue_, *forward_, *scores_, counters_, abort_, images_.get(),
                                                    store_.get(), score_log_.get(), image_tokens_ },
                                         planner, n_cached_pages, page_bytes);
    tokenizer_ = std::make_unique<TokenizerWorker>(*queue_, *prompter_, *scores_, counters_);
    const bool all_on_gpu = on_gpu && model_->n_gpu_layers() > info_.n_layer;
    lane_                 = std::make_unique<TokenizerPool::Lane>(
        TokenizerPool::shared(tokenizer_threads(all_on_gpu, default_thread_count())), [this] { tokenizer_->step(); });
    engine_thread_.start({ [this] {
                             loop_->run();
                         } },
                         [this] { queue_->close(); });
}

// What "automatic" and 0 mean here.
void Engine::resolve(bool on_gpu) {
    // Our kernels are exact and there is no other way with them; ggml's attention, which GPUs take, is not.
    if (on_gpu && options_.reproducible == Reproducible::exact) {
        throw Error(ErrorCode::invalid_argument,
                    "reproducible: \"exact\" is not possible on " +
                        std::string(ggml_backend_dev_name(model_->device())) +
                        ", whose kernels sum in an order that depends on the batch; take \"fast\", or the CPU");
    }
    model_->describe(info_);
    info_.context_size = options_.context_size;
    info_.batch_tokens = options_.batch_tokens > 0 ? options_.batch_tokens : on_gpu ? kBatchTokensGpu : kBatchTokensCpu;
    info_.n_threads    = options_.n_threads > 0 ? options_.n_threads : default_thread_count();
    info_.reproducible = on_gpu ? Reproducible::fast : Reproducible::exact;
    info_.n_seq_max    = std::clamp(info_.batch_tokens / kShortestPrompt, 1, kMostPairs);
}

void Engine::describe_tower(const VisionShape & shape) {
    VisionInfo vision;
    vision.max_tokens     = options_.vision.max_tokens;
    const ggml_type type  = ggml_get_tensor(tower_file_->tensors(), "v.blk.0.attn_out.weight")->type;
    vision.work_per_token = image_work_per_token(
        shape, vision.max_tokens, vision_costs(model_->on_gpu(), cpu_features(), type), model_->n_layer_params());
    for (ggml_tensor * tensor = ggml_get_first_tensor(tower_file_->tensors()); tensor != nullptr;
         tensor               = ggml_get_next_tensor(tower_file_->tensors(), tensor)) {
        vision.size_bytes += ggml_nbytes(tensor);
    }
    info_.vision = vision;
}

void Engine::open_store(const HeadWeights & head) {
    if (options_.document_cache_bytes == 0) {
        throw Error(ErrorCode::invalid_argument,
                    "documentStore: document states pass through memory on their way to a file, and documentCacheBytes "
                    "(DOCUMENT_CACHE_MB) is 0");
    }
    const auto     folder   = std::filesystem::u8path(options_.document_store.directory);
    const uint64_t identity = state_identity(*model_, options_);
    if (tower_file_) {
        tower_name_ = std::to_string(file_digest(tower_file_->path())) + " ";
    }
    store_ = std::make_unique<DocumentStore>(StoreOptions{ folder, options_.document_store.max_bytes, identity },
                                             counters_, [this] { queue_->wake(); });
    if (options_.score_cache_bytes > 0) {
        const uint64_t scored = score_identity(identity, head);
        score_log_            = std::make_unique<ScoreLog>(
            ScoreLogOptions{ folder / hex_digits(scored), scored, options_.score_cache_bytes }, *scores_,
            image_tokens_);
    }
}

EncoderOptions Engine::encoder_options() const {
    EncoderOptions encoder;
    encoder.device            = model_->device();
    encoder.n_threads         = info_.n_threads;
    encoder.limits            = options_.vision;
    encoder.limits.max_tokens = std::max(options_.vision.max_tokens, kLongestStrip);
    encoder.work_per_token    = info_.vision->work_per_token;
    encoder.work_per_step     = static_cast<double>(info_.batch_tokens) / kStepsPerBatch;
    return encoder;
}

// Cells of a batch, padded; our attention reads the pages as they are.
int32_t Engine::most_cells() const {
    return info_.reproducible == Reproducible::exact ? INT32_MAX : padded_cells(info_.context_size) + kGatheredCells;
}

ForwardOptions Engine::forward_options(int32_t n_cached_pages) const {
    ForwardOptions forward;
    forward.gpu          = model_->on_gpu() ? model_->device() : nullptr;
    forward.n_gpu_layers = model_->n_gpu_layers();
    forward.n_threads    = info_.n_threads;
    forward.n_batch      = info_.batch_tokens;
    forward.n_pairs      = info_.n_seq_max;
    forward.n_context    = info_.context_size;
    forward.n_pages      = pages_of_batches(info_) + n_cached_pages + kOwnPages;
    forward.n_cells      = most_cells();
    forward.kv_type      = options_.kv_type;
    forward.images       = info_.vision.has_value();
    return forward;
}

// For the document cache: what was asked for, on a GPU at most half of what the weights leave.
size_t Engine::cache_bytes() const {
    if (!model_->on_gpu()) {
        return options_.document_cache_bytes;
    }
    size_t n_free  = 0;
    size_t n_total = 0;
    ggml_backend_dev_memory(model_->device(), &n_free, &n_total);
    const size_t n_weights = info_.size_bytes + (info_.vision ? info_.vision->size_bytes : 0);
    const size_t n_left    = n_free > n_weights ? n_free - n_weights : 0;
    return std::min(options_.document_cache_bytes, n_left / 2);
}

Engine::~Engine() {
    close();
}

std::shared_lock<std::shared_mutex> Engine::open_prompter() const {
    // close() says so first and frees later: whoever comes in between, or while it frees, does not wait.
    std::shared_lock lock(free_mutex_, std::try_to_lock);
    if (!lock || queue_->closed()) {
        throw Error(ErrorCode::closed, "the engine is closed");
    }
    return lock;
}

uint64_t Engine::submit(ScoreRequest request, JobCallback on_done) {
    if (request.documents.empty()) {
        throw Error(ErrorCode::invalid_argument, "documents: expected at least one, got none");
    }
    if (request.query) {
        admit_image("query", *request.query);
    } else if (!keeps_documents_) {
        throw Error(ErrorCode::invalid_argument,
                    "documents: there is no cache to keep them in: documentCacheBytes is 0, or "
                    "fills no page in the memory that is free");
    }
    for (size_t i = 0; i < request.documents.size(); ++i) {
        admit_image("documents[" + std::to_string(i) + "]", request.documents[i]);
    }
    const size_t   n_documents = request.documents.size();
    const uint64_t id          = queue_->push(std::move(request), std::move(on_done));
    lane_->post(n_documents);
    return id;
}

// Gives an image its number, by which it is known from here on.
void Engine::admit_image(const std::string & name, Content & content) {
    auto * image = std::get_if<RequestImage>(&content);
    if (image == nullptr) {
        return;
    }
    if (!info_.vision) {
        throw Error(ErrorCode::images_not_supported,
                    name + ": expected text, got an image: no vision tower was loaded");
    }
    const Image & pixels = *image->image;
    if (pixels.width < 1 || pixels.height < 1 || pixels.width % kTokenPixels != 0 ||
        pixels.height % kTokenPixels != 0 ||
        int64_t{ pixels.n_columns() } * pixels.n_rows() > encoder_options().limits.max_tokens ||
        pixels.rgb.size() != size_t{ 3 } * static_cast<size_t>(pixels.width) * static_cast<size_t>(pixels.height)) {
        throw Error(ErrorCode::invalid_argument,
                    name + ": expected an image whose sides are multiples of " + std::to_string(kTokenPixels) +
                        ", of " + std::to_string(info_.vision->max_tokens) +
                        " tokens at most, with 3 bytes a pixel, got " + std::to_string(pixels.width) + " x " +
                        std::to_string(pixels.height) + " with " + std::to_string(pixels.rgb.size()) + " bytes");
    }
    // What is known of a number has its image's rows: a caller's hash alone is not trusted with that.
    image->token = image_tokens_.token_of(tower_name_ + std::to_string(pixels.width) + "x" +
                                          std::to_string(pixels.height) + " " + image->hash);
}

Prompt Engine::tokenize_pair(const Content & query, const Content & document, const std::string & instruction) {
    const auto lock = open_prompter();
    prompter_->check_query(query, {}, instruction);
    return prompter_->build(query, document, {}, {}, instruction);
}

std::vector<llama_token> Engine::tokenize(const std::string & text) {
    const auto lock = open_prompter();
    return prompter_->tokenizer().tokenize(text, SIZE_MAX, {}).tokens;
}

EngineStats Engine::stats() const {
    EngineStats stats;
    counters_.count(stats);
    queue_->count(stats);
    return stats;
}

void Engine::close() {
    queue_->close();
    const std::lock_guard closing(close_mutex_);
    lane_->leave();
    engine_thread_.join();
    const std::unique_lock freeing(free_mutex_);
    tokenizer_.reset();
    loop_.reset();
    store_.reset();
    score_log_.reset();
    images_.reset();
    forward_.reset();
    scores_.reset();
    threads_.reset();
    prompter_.reset();
    model_.reset();
    counters_.cache_bytes   = 0;
    counters_.cache_entries = 0;
    counters_.image_bytes   = 0;
    counters_.image_entries = 0;
}

void Engine::abort() {
    abort_.store(true);
    if (store_) {
        store_->abandon();
    }
    close();
}

}  // namespace jina_reranker
