#include "thread-stacks.h"

#if defined(__linux__)
#    include <pthread.h>  // defines __GLIBC__ where it is glibc's
#endif

namespace jina_reranker {

void raise_thread_stacks() {
#if defined(__linux__) && !defined(__GLIBC__)
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) {
        return;
    }
    // musl never lowers its default by this.
    if (pthread_attr_setstacksize(&attributes, kThreadStack) == 0) {
        pthread_setattr_default_np(&attributes);
    }
    pthread_attr_destroy(&attributes);
#endif
}

}  // namespace jina_reranker
