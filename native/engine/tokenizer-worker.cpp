#include "tokenizer-worker.h"

#include <string>
#include <utility>

namespace jina_reranker {

Prompt TokenizerWorker::prompt_of(const JobQueue::Document & document) {
    const ScoreRequest & request = document.job->request;
    // Before an empty query the prompt is what those of all queries begin with.
    const Content        none    = std::string();
    const Content &      query   = request.query ? *request.query : none;
    const auto           wanted  = [&] {
        return !document.job->settled.load();
    };
    const auto fail = [&](ErrorCode code, const std::string & message) {
        queue_.fail(document.job->id, Error(code, message));
        return Prompt();
    };
    try {
        if (document.index == 0) {
            prompter_.check_query(query, wanted, request.instruction);
        }
        return prompter_.build(query, request.documents[document.index], request.cut, wanted, request.instruction);
    } catch (const Error & error) {
        const bool of_document = error.code == ErrorCode::document_too_long;
        return fail(error.code,
                    (of_document ? "documents[" + std::to_string(document.index) + "]: " : "") + error.what());
    } catch (const std::exception & error) {
        return fail(ErrorCode::engine_error, std::string("tokenizing failed: ") + error.what());
    }
}

void TokenizerWorker::step() {
    const auto document = queue_.take_document();
    if (!document) {
        return;
    }
    const auto                 start  = Clock::now();
    Prompt                     prompt = prompt_of(*document);
    // Answered here, a repeated pair does not wait for the batch that runs.
    const bool                 scored = document->job->request.query.has_value();
    const std::optional<float> logit  = scored ? scores_.find(prompt.tokens) : std::nullopt;
    counters_.tokens_reused += logit ? prompt.tokens.size() : 0;
    counters_.pairs_repeated += logit ? 1 : 0;
    queue_.give_prompt(*document, std::move(prompt), logit,
                       std::chrono::duration<double, std::milli>(Clock::now() - start).count());
}

}  // namespace jina_reranker
