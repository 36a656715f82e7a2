#pragma once

// Keys and values in bounded memory: the least recently used entry leaves when the bytes run out. Entries are found by a hash
// and compared by their key; of two keys with the same hash the newer one stays. Any thread.

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

namespace jina_reranker {

template <typename Key, typename Value>
class LruCache {
  public:
    // max_bytes: 0 = keep nothing.
    explicit LruCache(size_t max_bytes) : max_bytes_(max_bytes) {}

    bool enabled() const { return max_bytes_ > 0; }

    // key: a Key, or what can be compared with one.
    template <typename View>
    std::optional<Value> find(uint64_t hash, const View & key) {
        const std::lock_guard lock(mutex_);
        const auto            found = index_.find(hash);
        if (found == index_.end() || !(found->second->key == key)) {
            return std::nullopt;
        }
        entries_.splice(entries_.begin(), entries_, found->second);
        return found->second->value;
    }

    // n_bytes: of key and value; what the cache adds is counted here.
    void insert(uint64_t hash, Key key, Value value, size_t n_bytes) {
        n_bytes += kOverhead;
        if (n_bytes > max_bytes_) {
            return;
        }
        const std::lock_guard lock(mutex_);
        if (const auto found = index_.find(hash); found != index_.end()) {
            remove(found->second);
        }
        while (n_bytes_ + n_bytes > max_bytes_) {
            remove(std::prev(entries_.end()));
        }
        entries_.push_front({ hash, std::move(key), std::move(value), n_bytes });
        index_.emplace(hash, entries_.begin());
        n_bytes_ += n_bytes;
    }

    size_t n_bytes() const {
        const std::lock_guard lock(mutex_);
        return n_bytes_;
    }

    size_t n_entries() const {
        const std::lock_guard lock(mutex_);
        return entries_.size();
    }

  private:
    static constexpr size_t kOverhead = 128;  // list and index nodes, roughly

    struct Entry {
        uint64_t hash;
        Key      key;
        Value    value;
        size_t   n_bytes;
    };

    using Entries = std::list<Entry>;  // most recently used first

    void remove(typename Entries::iterator entry) {
        n_bytes_ -= entry->n_bytes;
        index_.erase(entry->hash);
        entries_.erase(entry);
    }

    const size_t                                             max_bytes_;
    mutable std::mutex                                       mutex_;
    size_t                                                   n_bytes_ = 0;
    Entries                                                  entries_;
    std::unordered_map<uint64_t, typename Entries::iterator> index_;
};

}  // namespace jina_reranker
