#include "engine.h"

#include "device-memory.h"
#include "store-identity.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

namespace jina_reranker {

namespace {

// Texts of 2 million tokens of English, and these tokens; the KV state of so many takes 60 GB.
constexpr size_t kKnownTextBytes = size_t{ 16 } << 20U;

}  // namespace

Engine::Engine(EngineOptions options, const HeadWeights & head, const LoadProgress & progress) :
    options_(std::move(options)),
    model_(std::make_unique<Model>(options_)) {
    const TokenWork            token_work(model_->attention_cells());
    std::optional<VisionShape> tower;
    std::optional<ImageMarks>  marks;
    if (!options_.mmproj_path.empty()) {
        tower_file_.emplace(options_.mmproj_path);
        tower = check_mmproj(*tower_file_, shape_of(model_->file()).n_embd);
        marks = model_->image_marks();
    }
    plan_ = plan_engine(options_, model_->placement(), model_->file(), tower_file_ ? &*tower_file_ : nullptr);
    describe();
    if (tower) {
        describe_tower(*tower);
    }

    keeps_documents_ = plan_.n_cached_pages > 0;

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
    planner.n_pages    = plan_.n_batch_pages;
    planner.n_cells    = plan_.n_cells;
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
    forward_ = std::make_unique<Forward>(model_->file(), head, plan_.forward(), *threads_, abort_, part_of(0, n_model));
    info_.memory = forward_->memory();
    if (tower) {
        images_ = std::make_unique<ImageEncoder>(*tower_file_, *tower, encoder_options(), *threads_, abort_,
                                                 part_of(n_model, n_tower));
        memory_of(model_->device(), info_.memory).vision = images_->memory_bytes();
    }
    if (!options_.document_store.directory.empty()) {
        open_store(head);
    }
    loop_      = std::make_unique<EngineLoop>(LoopParts{ *queue_, *forward_, *scores_, counters_, abort_, images_.get(),
                                                    store_.get(), score_log_.get(), image_tokens_ },
                                         planner, plan_.n_cached_pages, plan_.page_bytes);
    tokenizer_ = std::make_unique<TokenizerWorker>(*queue_, *prompter_, *scores_, counters_);
    const bool all_on_gpu = model_->n_gpu_layers() > info_.n_layer;
    lane_                 = std::make_unique<TokenizerPool::Lane>(
        TokenizerPool::shared(tokenizer_threads(all_on_gpu, default_thread_count())), [this] { tokenizer_->step(); });
    engine_thread_.start({ [this] {
                             loop_->run();
                         } },
                         [this] { queue_->close(); });
}

void Engine::describe() {
    model_->describe(info_);
    info_.context_size = plan_.n_context;
    info_.batch_tokens = plan_.n_batch;
    info_.n_threads    = plan_.n_threads;
    info_.reproducible = model_->on_gpu() ? Reproducible::fast : Reproducible::exact;
    info_.n_seq_max    = plan_.n_pairs;
}

void Engine::describe_tower(const VisionShape & shape) {
    VisionInfo vision;
    vision.max_tokens     = options_.vision.max_tokens;
    const ggml_type type  = ggml_get_tensor(tower_file_->tensors(), "v.blk.0.attn_out.weight")->type;
    vision.work_per_token = image_work_per_token(
        shape, vision.max_tokens, vision_costs(model_->on_gpu(), cpu_features(), type), model_->n_layer_params());
    vision.size_bytes = tower_file_->tensor_bytes();
    info_.vision      = vision;
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
    store_ = std::make_unique<DocumentStore>(
        StoreOptions{ folder, options_.document_store.max_bytes, identity }, counters_, [this] { queue_->wake(); },
        abort_);
    if (options_.score_cache_bytes > 0) {
        const uint64_t scored = score_identity(identity, head);
        score_log_            = std::make_unique<ScoreLog>(
            ScoreLogOptions{ folder / hex_digits(scored), scored, options_.score_cache_bytes }, *scores_,
            image_tokens_);
    }
}

EncoderOptions Engine::encoder_options() const {
    EncoderOptions encoder = plan_.encoder(options_.vision);
    encoder.work_per_token = info_.vision->work_per_token;
    return encoder;
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
        pixels.height % kTokenPixels != 0 || int64_t{ pixels.n_columns() } * pixels.n_rows() > plan_.n_image_tokens ||
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
    close();
}

}  // namespace jina_reranker
