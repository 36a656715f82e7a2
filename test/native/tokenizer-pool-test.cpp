// The pool's rules T1 to T3, with real threads.

#include "check.h"
#include "error.h"
#include "tokenizer-pool.h"

#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <string>

using namespace jina_reranker;

namespace {

using Lane = TokenizerPool::Lane;

constexpr std::chrono::seconds kLong{ 30 };  // what takes longer does not come

std::shared_ptr<TokenizerPool> pool_of(int32_t n_threads) {
    auto pool = std::make_shared<TokenizerPool>();
    pool->grow(n_threads);
    return pool;
}

// Opens once.
class Gate {
  public:
    void open() { promise_.set_value(); }

    bool passed() const { return opened_.wait_for(kLong) == std::future_status::ready; }

  private:
    std::promise<void>       promise_;
    std::shared_future<void> opened_ = promise_.get_future().share();
};

void runs_the_steps_of_a_lane_side_by_side() {
    constexpr int    kThreads = 3;
    std::atomic<int> n_at_work{ 0 };
    std::atomic<int> n_together{ 0 };
    Gate             all;
    Lane             lane(pool_of(kThreads), [&] {
        if (++n_at_work == kThreads) {
            all.open();
        }
        n_together += all.passed() ? 1 : 0;
    });
    lane.post(kThreads);
    CHECK(all.passed());
    lane.leave();
    CHECK_EQUAL(n_together.load(), kThreads);
}

void gives_the_lanes_turns() {
    const auto  pool = pool_of(1);
    Gate        begun;
    Gate        posted;
    Gate        done;
    Lane        first(pool, [&] {
        begun.open();
        posted.passed();
    });
    std::string order;  // of one thread
    const auto  note = [&](char name) {
        return [&, name] {
            order += name;
            if (order.size() == 6) {
                done.open();
            }
        };
    };
    Lane a(pool, note('a'));
    Lane b(pool, note('b'));
    first.post(1);
    CHECK(begun.passed());
    a.post(4);
    b.post(2);
    posted.open();
    CHECK(done.passed());
    b.leave();
    a.leave();
    CHECK_EQUAL(order, "ababaa");
}

void passes_a_step_that_takes_long() {
    const auto pool = pool_of(2);
    Gate       let_go;
    Gate       done;
    Lane       slow(pool, [&] { let_go.passed(); });
    Lane       fast(pool, [&] { done.open(); });
    slow.post(1);
    fast.post(1);
    CHECK(done.passed());
    let_go.open();
}

void forgets_the_steps_of_a_lane_that_is_left_and_waits_for_the_running_one() {
    std::atomic<int> n_steps{ 0 };
    Gate             begun;
    Gate             let_go;
    Lane             lane(pool_of(1), [&] {
        ++n_steps;
        begun.open();
        let_go.passed();
    });
    lane.post(5);
    CHECK(begun.passed());
    auto left = std::async(std::launch::async, [&] { lane.leave(); });
    // It cannot have returned: the step runs.
    CHECK(left.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
    let_go.open();
    CHECK(left.wait_for(kLong) == std::future_status::ready);
    CHECK_EQUAL(n_steps.load(), 1);
    lane.post(1);
    lane.leave();
    CHECK_EQUAL(n_steps.load(), 1);
}

void is_one_for_the_process_and_ends_with_its_last_lane() {
    Lane                         first(TokenizerPool::shared(1), [] {});
    std::weak_ptr<TokenizerPool> pool = TokenizerPool::shared(2);
    Lane                         second(pool.lock(), [] {});
    first.post(1);
    first.leave();
    CHECK(!pool.expired());
    second.post(1);
    second.leave();
    CHECK(pool.expired());
}

void has_two_threads_or_the_cores_beside_a_gpu() {
    CHECK_EQUAL(tokenizer_threads(false, 2), 2);
    CHECK_EQUAL(tokenizer_threads(false, 128), 2);
    CHECK_EQUAL(tokenizer_threads(true, 1), 2);
    CHECK_EQUAL(tokenizer_threads(true, 8), 6);
    CHECK_EQUAL(tokenizer_threads(true, 128), 16);
}

// Lanes come, post from several threads and leave in the middle of it; each step is within the life of its lane.
void serves_lanes_that_come_and_go() {
    constexpr int            kRounds = 200;
    const auto               pool    = pool_of(3);
    std::atomic<int>         n_steps{ 0 };
    std::atomic<int>         n_late{ 0 };
    std::vector<std::thread> engines;
    engines.reserve(4);
    for (int i = 0; i < 4; ++i) {
        engines.emplace_back([&] {
            for (int round = 0; round < kRounds; ++round) {
                std::atomic<bool> living{ true };
                Lane              lane(pool, [&] {
                    ++n_steps;
                    n_late += living ? 0 : 1;
                });
                std::thread       other([&] { lane.post(2); });
                lane.post(3);
                other.join();
                if (round % 2 == 0) {
                    lane.leave();
                    living = false;
                }
            }
        });
    }
    for (std::thread & engine : engines) {
        engine.join();
    }
    CHECK_EQUAL(n_late.load(), 0);
    CHECK(n_steps.load() <= 4 * kRounds * 5);
}

}  // namespace

int main() {
    return check::run({
        { "runs the steps of a lane side by side", runs_the_steps_of_a_lane_side_by_side },
        { "gives the lanes turns", gives_the_lanes_turns },
        { "passes a step that takes long", passes_a_step_that_takes_long },
        { "forgets the steps of a lane that is left, and waits for the running one",
          forgets_the_steps_of_a_lane_that_is_left_and_waits_for_the_running_one },
        { "is one for the process, and ends with its last lane", is_one_for_the_process_and_ends_with_its_last_lane },
        { "has two threads, or the cores beside a GPU", has_two_threads_or_the_cores_beside_a_gpu },
        { "serves lanes that come and go", serves_lanes_that_come_and_go },
    });
}
