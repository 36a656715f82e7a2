#include "state-file.h"

#include "shared-file.h"
#include "xxh64.h"

#include <fstream>
#include <new>

namespace jina_reranker {

namespace {

constexpr std::string_view kMagic    = "JRSTATE1";
constexpr size_t           kChecksum = sizeof(uint64_t);

std::string bytes_of(uint64_t number) {
    return { reinterpret_cast<const char *>(&number), sizeof(number) };
}

// What comes before the state.
std::string head_of(const StateKey & key, size_t n_bytes) {
    std::string head(kMagic);
    head += bytes_of(key.identity);
    head += bytes_of(key.tokens.size());
    head += key.tokens;
    head += bytes_of(n_bytes);
    return head;
}

std::string checksum_of(std::string_view head, std::string_view state) {
    Xxh64 hash;
    hash.update(head);
    hash.update(state);
    return bytes_of(hash.digest());
}

}  // namespace

std::string hex_digits(uint64_t number) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string                       digits(16, '0');
    for (size_t i = digits.size(); i-- > 0; number >>= 4U) {
        digits[i] = kDigits[number & 15U];
    }
    return digits;
}

std::filesystem::path StateKey::path() const {
    const std::string name = hex_digits(xxh64(tokens, 0)) + hex_digits(xxh64(tokens, 1));
    return std::filesystem::path(hex_digits(identity)) / name.substr(0, 2) / (name.substr(2) + ".state");
}

StateRead read_state(const std::filesystem::path & path, const StateKey & key, size_t n_bytes, StateBytes & to) {
    std::error_code error;
    const uintmax_t n_file = std::filesystem::file_size(path, error);
    if (error) {
        const bool absent = error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
        return absent ? StateRead::absent : StateRead::failed;
    }
    const std::string head = head_of(key, n_bytes);
    if (n_file != head.size() + n_bytes + kChecksum) {
        return StateRead::wrong;
    }
    try {
        to = { std::vector<char>(static_cast<size_t>(n_file)), head.size(), n_bytes };
    } catch (const std::bad_alloc &) {
        return StateRead::failed;
    }
    std::ifstream file(path, std::ios::binary);
    if (!file.read(to.file.data(), static_cast<std::streamsize>(n_file))) {
        // Others may remove it at any time.
        return std::filesystem::exists(path, error) || error ? StateRead::failed : StateRead::absent;
    }
    const std::string_view all(to.file.data(), to.file.size());
    const bool             is_right =
        all.substr(0, head.size()) == head && all.substr(head.size() + n_bytes) == checksum_of(head, to.state());
    return is_right ? StateRead::found : StateRead::wrong;
}

std::error_code write_state(const std::filesystem::path & temporary,
                            const std::filesystem::path & path,
                            const StateKey &              key,
                            std::string_view              state) {
    const std::string head = head_of(key, state.size());
    return write_whole(temporary, path, { head, state, checksum_of(head, state) });
}

}  // namespace jina_reranker
