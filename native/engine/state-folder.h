#pragma once

// What lies in the folder of all states: how much, and which of it goes. Any thread, any process.

#include <cstdint>
#include <filesystem>

namespace jina_reranker {

// Removes the states and score logs that were used least recently until the rest takes `most` bytes, where all take more than
// max_bytes; and what killed processes left half written. Files of other names are not touched. Returns the bytes that are left.
uint64_t trim_states(const std::filesystem::path & folder, uint64_t max_bytes, uint64_t most);

// Where files are written before they get their name.
std::filesystem::path temporary_folder(const std::filesystem::path & folder);

}  // namespace jina_reranker
