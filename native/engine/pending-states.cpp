#include "pending-states.h"

#include "log.h"
#include "portable-tokens.h"
#include "xxh64.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

namespace jina_reranker {

namespace {

// While reads are answered one after the other, a batch waits for the next one for this part of the time that its tokens would take
// to compute: what comes from a fast disk is computed together.
constexpr double kWorthWaiting = 1.0 / 16;
constexpr auto   kLeastWait    = std::chrono::milliseconds(5);

// A state that is used from memory counts as used on disk again after so long.
constexpr auto kTouchedAgain = std::chrono::minutes(10);

Clock::duration of_seconds(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

// None of a prefix that has no state.
std::optional<std::string> PendingStates::portable_of(const std::vector<llama_token> & tokens, int32_t n_prefix) {
    const int32_t n_tokens = documents_.usable(n_prefix);
    return n_tokens == 0 ? std::nullopt : portable_tokens(tokens, static_cast<size_t>(n_tokens), images_);
}

// None where there is no memory for it: then it is not written.
std::optional<std::vector<char>> PendingStates::copy_of(const std::vector<int32_t> & pages, int32_t n_prefix) const {
    try {
        return pages_.read(pages, documents_.usable(n_prefix));
    } catch (const std::bad_alloc &) {
        return std::nullopt;
    }
}

bool PendingStates::wait(
    const PairId & pair, const std::vector<llama_token> & tokens, int32_t n_prefix, int32_t n_known, double seconds) {
    auto portable = portable_of(tokens, n_prefix);
    if (!portable) {
        return false;
    }
    const int32_t n_tokens = documents_.usable(n_prefix);
    if (n_known >= n_tokens) {
        touch(*portable);
        return false;
    }
    if (reads_.count(*portable) == 0 && !store_.takes_reads(n_late_)) {
        return false;
    }
    const auto now       = Clock::now();
    auto [entry, is_new] = reads_.try_emplace(*portable);
    Read & read          = entry->second;
    read.pairs[pair]     = now + of_seconds(seconds);
    if (is_new) {
        if (reads_.size() == 1) {
            last_answer_ = now;
        }
        read.tokens.assign(tokens.begin(), tokens.begin() + n_tokens);
        read.seconds = seconds;
        read.request = store_.read(*std::move(portable), pages_.token_bytes() * static_cast<size_t>(n_tokens));
    }
    return true;
}

bool PendingStates::look(const PairId & pair, const std::vector<llama_token> & tokens, int32_t n_prefix) {
    auto portable = store_.takes_reads(n_late_) ? portable_of(tokens, n_prefix) : std::nullopt;
    if (!portable) {
        return false;
    }
    requests_[store_.look(*std::move(portable))] = { pair, Event::looked };
    return true;
}

bool PendingStates::write(const PairId &                   pair,
                          const std::vector<llama_token> & tokens,
                          int32_t                          n_prefix,
                          const std::vector<int32_t> &     pages) {
    auto portable = portable_of(tokens, n_prefix);
    auto state    = portable ? copy_of(pages, n_prefix) : std::nullopt;
    if (!state) {
        return false;
    }
    requests_[store_.write(*std::move(portable), *std::move(state))] = { pair, Event::written };
    release(pair);
    return true;
}

void PendingStates::reserve(const PairId & pair, int32_t n_prefix) {
    const size_t n_bytes = pages_.token_bytes() * static_cast<size_t>(documents_.usable(n_prefix));
    n_reserved_ += reserved_.emplace(pair, n_bytes).second ? n_bytes : 0;
}

void PendingStates::release(const PairId & pair) {
    if (const auto entry = reserved_.find(pair); entry != reserved_.end()) {
        n_reserved_ -= entry->second;
        reserved_.erase(entry);
    }
}

void PendingStates::touch(const std::string & portable) {
    const uint64_t hash = xxh64(portable);
    const auto     now  = Clock::now();
    const auto     last = touched_.find(hash, hash);
    if (!last || now - *last > kTouchedAgain) {
        touched_.insert(hash, hash, now, sizeof(hash) + sizeof(now));
        store_.touch(portable);
    }
}

void PendingStates::remove(const PairId & pair) {
    release(pair);
    for (auto request = requests_.begin(); request != requests_.end();) {
        if (request->second.pair != pair) {
            ++request;
            continue;
        }
        if (request->second.event == Event::looked) {
            store_.give_up(request->first);
        }
        request = requests_.erase(request);
    }
    for (auto read = reads_.begin(); read != reads_.end(); ++read) {
        if (read->second.pairs.erase(pair) > 0 && read->second.pairs.empty()) {
            store_.give_up(read->second.request);
            reads_.erase(read);
            return;
        }
    }
}

std::optional<PendingStates::Ready> PendingStates::next(Clock::time_point now) {
    if (answers_.empty()) {
        answers_ = store_.take_answers();
        std::reverse(answers_.begin(), answers_.end());
    }
    while (!answers_.empty()) {
        const DocumentStore::Answer answer = std::move(answers_.back());
        answers_.pop_back();
        if (auto ready = ready_by(answer)) {
            last_answer_ = now;
            return ready;
        }
    }
    return late(now);
}

// None where nobody waits for the answer any more.
std::optional<PendingStates::Ready> PendingStates::ready_by(const DocumentStore::Answer & answer) {
    Ready ready;
    if (const auto request = requests_.find(answer.request); request != requests_.end()) {
        ready = { request->second.event, { request->second.pair }, {}, answer.stored };
        requests_.erase(request);
        return ready;
    }
    const auto read = std::find_if(reads_.begin(), reads_.end(),
                                   [&](const auto & entry) { return entry.second.request == answer.request; });
    if (read == reads_.end()) {
        return std::nullopt;
    }
    for (const auto & [pair, until] : read->second.pairs) {
        ready.pairs.push_back(pair);
    }
    if (answer.stored && restore(read->second.tokens, answer.bytes)) {
        ready.tokens = std::move(read->second.tokens);
    }
    reads_.erase(read);
    return ready;
}

// The pairs that waited long enough.
std::optional<PendingStates::Ready> PendingStates::late(Clock::time_point now) {
    Ready late;
    n_late_ = 0;
    for (auto & [portable, read] : reads_) {
        for (auto pair = read.pairs.begin(); pair != read.pairs.end();) {
            const bool is_late = pair->second <= now;
            if (is_late) {
                late.pairs.push_back(pair->first);
            }
            pair = is_late ? read.pairs.erase(pair) : std::next(pair);
        }
        n_late_ += read.pairs.empty() ? 1U : 0U;
    }
    return late.pairs.empty() ? std::nullopt : std::optional(late);
}

// False when the document cache has no room for any of it, or the device did not take it: then it is computed.
bool PendingStates::restore(const std::vector<llama_token> & tokens, const StateBytes & bytes) {
    const auto n_tokens = static_cast<int32_t>(tokens.size());
    try {
        return documents_.add(tokens, n_tokens,
                              [&](const auto & added) { pages_.write(added, bytes.state(), n_tokens); });
    } catch (const std::exception & failure) {
        log_line(LogLevel::error, std::string("document states: one that was read is not used: ") + failure.what());
        return false;
    }
}

std::optional<JobQueue::Reads> PendingStates::reads() const {
    std::optional<JobQueue::Reads> reads;
    for (const auto & [portable, read] : reads_) {
        const auto soon =
            last_answer_ + std::max<Clock::duration>(kLeastWait, of_seconds(read.seconds * kWorthWaiting));
        for (const auto & [pair, until] : read.pairs) {
            reads = reads ? JobQueue::Reads{ std::min(reads->soon, soon), std::min(reads->latest, until) } :
                            JobQueue::Reads{ soon, until };
        }
    }
    return reads;
}

void PendingStates::write_behind(const std::vector<llama_token> & tokens,
                                 int32_t                          n_prefix,
                                 const std::vector<int32_t> &     pages) {
    auto portable = store_.has_room() ? portable_of(tokens, n_prefix) : std::nullopt;
    auto state    = portable ? copy_of(pages, n_prefix) : std::nullopt;
    if (state) {
        store_.write(*std::move(portable), *std::move(state));
    }
}

}  // namespace jina_reranker
