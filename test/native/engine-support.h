#pragma once

// What the test programs that load a whole engine share: a random head, and a request that waits for its answer.

#include "engine.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace jina_reranker {

inline HeadWeights random_head(size_t n_embd) {
    std::mt19937                          random(1);
    std::uniform_real_distribution<float> value(-0.1f, 0.1f);
    HeadWeights                           head;
    head.w1.resize(n_embd * n_embd);
    head.b1.resize(n_embd);
    head.w2.resize(n_embd);
    for (auto * weights : { &head.w1, &head.b1, &head.w2 }) {
        for (float & weight : *weights) {
            weight = value(random);
        }
    }
    return head;
}

inline std::string random_words(std::mt19937 & random, int n_words) {
    static const std::vector<std::string> all = { "river", "stone", "machine", "learning", "paper", "house", "green" };
    std::string                           text;
    for (int i = 0; i < n_words; ++i) {
        text += (i > 0 ? " " : "") + all[random() % all.size()];
    }
    return text;
}

inline ScoreRequest text_request(std::string query, const std::vector<std::string> & documents, Cut cut = {}) {
    return { std::move(query), { documents.begin(), documents.end() }, cut, 0, {} };
}

// Noise of so many tokens.
inline RequestImage random_image(int32_t n_columns, int32_t n_rows, uint32_t seed) {
    std::mt19937 random(seed);
    auto         image = std::make_shared<Image>();
    image->width       = n_columns * kTokenPixels;
    image->height      = n_rows * kTokenPixels;
    image->rgb.resize(size_t{ 3 } * static_cast<size_t>(image->width) * static_cast<size_t>(image->height));
    std::generate(image->rgb.begin(), image->rgb.end(), [&] { return static_cast<uint8_t>(random()); });
    return { image, std::to_string(n_columns) + "x" + std::to_string(n_rows) + " " + std::to_string(seed) };
}

inline std::future<JobOutcome> submit(Engine & engine, ScoreRequest request) {
    auto promise = std::make_shared<std::promise<JobOutcome>>();
    engine.submit(std::move(request), [promise](JobOutcome outcome) { promise->set_value(std::move(outcome)); });
    return promise->get_future();
}

inline std::future<JobOutcome>
submit(Engine & engine, std::string query, const std::vector<std::string> & documents, Cut cut = {}) {
    return submit(engine, text_request(std::move(query), documents, cut));
}

// Without an answer for ten minutes the test fails instead of hanging. Sanitizers are slow on a busy machine.
inline JobOutcome answer(std::future<JobOutcome> future) {
    if (future.wait_for(std::chrono::minutes(10)) != std::future_status::ready) {
        return { std::nullopt, Error(ErrorCode::engine_error, "no answer within ten minutes") };
    }
    return future.get();
}

}  // namespace jina_reranker
