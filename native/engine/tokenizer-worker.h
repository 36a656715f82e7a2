#pragma once

// What a tokenizer thread does with a document of the queue: its prompt, or the reason why there is none; and its score where
// that is known. Several threads of the pool at once.

#include "counters.h"
#include "job-queue.h"
#include "prompt.h"
#include "score-cache.h"

namespace jina_reranker {

class TokenizerWorker {
  public:
    // All of these outlive it.
    TokenizerWorker(JobQueue & queue, const Prompter & prompter, ScoreCache & scores, Counters & counters) :
        queue_(queue),
        prompter_(prompter),
        scores_(scores),
        counters_(counters) {}

    // Nothing when no document waits, for example because its job was cancelled. Does not throw.
    void step();

  private:
    // None, and the job has failed.
    Prompt prompt_of(const JobQueue::Document & document);

    JobQueue &       queue_;
    const Prompter & prompter_;
    ScoreCache &     scores_;
    Counters &       counters_;
};

}  // namespace jina_reranker
