#pragma once

// A file with the KV state of one document: what it belongs to, the state, and a checksum over both. It is believed only where all of
// it is as expected. Any thread.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace jina_reranker {

// 16 digits.
std::string hex_digits(uint64_t number);

// What a state was computed from: nothing else makes the same bytes.
struct StateKey {
    uint64_t    identity = 0;  // of model, type of the KV state and what computed it
    std::string tokens;        // portable_tokens()

    // Its place below the folder of all states: `<identity>/<2 digits>/<30 digits>.state`.
    std::filesystem::path path() const;
};

// The bytes of a whole file, of which those from `begin` on are the state.
struct StateBytes {
    std::vector<char> file;
    size_t            begin  = 0;
    size_t            n_size = 0;

    std::string_view state() const { return std::string_view(file.data(), file.size()).substr(begin, n_size); }
};

enum class StateRead { found, absent, wrong, failed };

// wrong: damaged, or another's. failed: the file could not be read, or there is no memory for it. n_bytes: of the state.
StateRead read_state(const std::filesystem::path & path, const StateKey & key, size_t n_bytes, StateBytes & to);

// In the place of what was there.
std::error_code write_state(const std::filesystem::path & temporary,
                            const std::filesystem::path & path,
                            const StateKey &              key,
                            std::string_view              state);

}  // namespace jina_reranker
