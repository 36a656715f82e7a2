#include "dynamic-library.h"

#ifdef _WIN32
#    include <filesystem>
#    include <system_error>
#    include <windows.h>
#else
#    include <dlfcn.h>
#endif

namespace jina_reranker {

#ifdef _WIN32

DynamicLibrary::DynamicLibrary(const std::string & name) {
    // Without this a missing dependency opens a dialogue and waits for a click.
    const DWORD mode = SetErrorMode(SEM_FAILCRITICALERRORS);
    handle_.reset(LoadLibraryW(std::filesystem::u8path(name).wstring().c_str()));
    const DWORD error = GetLastError();
    SetErrorMode(mode);
    if (!handle_) {
        reason_ = std::system_category().message(static_cast<int>(error));
    }
}

void * DynamicLibrary::symbol(const char * name) const {
    return handle_ ? reinterpret_cast<void *>(GetProcAddress(static_cast<HMODULE>(handle_.get()), name)) : nullptr;
}

void DynamicLibrary::Close::operator()(void * handle) const {
    FreeLibrary(static_cast<HMODULE>(handle));
}

#else

DynamicLibrary::DynamicLibrary(const std::string & name) : handle_(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (!handle_) {
        const char * reason = dlerror();
        reason_             = reason != nullptr ? reason : "the dynamic loader refused it";
    }
}

void * DynamicLibrary::symbol(const char * name) const {
    return handle_ ? dlsym(handle_.get(), name) : nullptr;
}

void DynamicLibrary::Close::operator()(void * handle) const {
    dlclose(handle);
}

#endif

}  // namespace jina_reranker
