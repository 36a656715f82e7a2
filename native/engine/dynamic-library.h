#pragma once

// Owns a shared library that is opened while the process runs and closed with the object. When it cannot be opened, reason()
// says why: the platform's loader names what is missing.

#include <memory>
#include <string>

namespace jina_reranker {

class DynamicLibrary {
  public:
    // A path, or a bare name that the platform's loader looks for.
    explicit DynamicLibrary(const std::string & name);

    bool is_open() const { return handle_ != nullptr; }

    // Why it is not open, as the platform's loader says it.
    const std::string & reason() const { return reason_; }

    // nullptr when there is no such symbol.
    void * symbol(const char * name) const;

  private:
    struct Close {
        void operator()(void * handle) const;
    };

    std::unique_ptr<void, Close> handle_;
    std::string                  reason_;
};

}  // namespace jina_reranker
