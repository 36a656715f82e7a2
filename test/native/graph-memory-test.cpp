// Each of the latest shapes of a batch has memory of its own.

#include "check.h"
#include "graph-memory.h"

using namespace jina_reranker;

namespace {

void gives_a_shape_that_comes_again_the_same_memory() {
    GraphMemory     memory(64, 3);
    uint8_t * const first  = memory.of({ 1, 2 });
    uint8_t * const second = memory.of({ 1, 3 });
    CHECK(first != second);
    CHECK(memory.of({ 1, 2 }) == first);
    CHECK(memory.of({ 1, 3 }) == second);
}

void takes_that_of_the_least_recent_shape_for_a_new_one() {
    GraphMemory     memory(64, 2);
    uint8_t * const first  = memory.of({ 1 });
    uint8_t * const second = memory.of({ 2 });
    CHECK(memory.of({ 1 }) == first);
    CHECK(memory.of({ 3 }) == second);
    CHECK(memory.of({ 1 }) == first);
    CHECK(memory.of({ 2 }) == second);
}

void has_room_for_a_graph() {
    GraphMemory memory(64, 1);
    memory.of({ 1 })[memory.n_bytes() - 1] = 1;
    CHECK(memory.of({ 2 }) == memory.of({ 3 }));
}

}  // namespace

int main() {
    return check::run({
        { "gives a shape that comes again the same memory", gives_a_shape_that_comes_again_the_same_memory },
        { "takes that of the least recent shape for a new one", takes_that_of_the_least_recent_shape_for_a_new_one },
        { "has room for a graph", has_room_for_a_graph },
    });
}
