// The document store: what is written comes back, whoever wrote it; the folder keeps to its limit; what is half written, damaged or
// another's is not believed; and nobody waits for a file that is not wanted.

#include "check.h"
#include "document-store.h"
#include "state-folder.h"
#include "store-support.h"

#include <atomic>
#include <chrono>
#include <fstream>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#ifndef _WIN32
#    include <unistd.h>
#endif

using namespace jina_reranker;

namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMuch = uint64_t{ 1 } << 30U;

std::vector<char> state(size_t n_bytes, char first = 'a') {
    std::vector<char> bytes(n_bytes);
    for (size_t i = 0; i < n_bytes; ++i) {
        bytes[i] = static_cast<char>(first + static_cast<char>(i % 20));
    }
    return bytes;
}

// A store whose answers a thread waits for.
class Store {
  public:
    explicit Store(const fs::path & folder, uint64_t max_bytes = kMuch, uint64_t identity = 1) :
        store_(std::make_unique<DocumentStore>(
            StoreOptions{ folder, max_bytes, identity },
            counters_,
            [this] {
                const std::lock_guard lock(mutex_);
                come_.notify_all();
            },
            abort_)) {}

    DocumentStore::Answer answer_to(uint64_t request) {
        std::unique_lock lock(mutex_);
        for (;;) {
            for (DocumentStore::Answer & answer : store_->take_answers()) {
                answers_.push_back(std::move(answer));
            }
            for (size_t i = 0; i < answers_.size(); ++i) {
                if (answers_[i].request == request) {
                    DocumentStore::Answer answer = std::move(answers_[i]);
                    answers_.erase(answers_.begin() + static_cast<std::ptrdiff_t>(i));
                    return answer;
                }
            }
            come_.wait(lock);
        }
    }

    bool write(const std::string & tokens, const std::vector<char> & bytes) {
        return answer_to(store_->write(tokens, bytes)).stored;
    }

    // Whether this state comes back; `bytes` may be another one.
    bool has(const std::string & tokens, const std::vector<char> & bytes) {
        const auto answer = answer_to(store_->read(tokens, bytes.size()));
        return answer.stored && answer.bytes.state() == std::string_view(bytes.data(), bytes.size());
    }

    bool looks(const std::string & tokens) { return answer_to(store_->look(tokens)).stored; }

    DocumentStore & store() { return *store_; }

    const Counters & counters() const { return counters_; }

  private:
    const std::atomic<bool>            abort_{ false };
    Counters                           counters_;
    std::mutex                         mutex_;
    std::condition_variable            come_;
    std::vector<DocumentStore::Answer> answers_;
    std::unique_ptr<DocumentStore>     store_;
};

void gives_back_what_was_written() {
    const TemporaryFolder folder;
    {
        Store store(folder.path());
        CHECK(!store.looks("one"));
        CHECK(!store.has("one", state(1000)));
        CHECK(store.write("one", state(1000)));
        CHECK(store.write("two", state(10, 'c')));
        CHECK(store.write("two", state(10, 'd')));  // is there
        CHECK(store.looks("one"));
        CHECK_EQUAL(store.counters().states_stored, 2U);
    }
    Store next(folder.path());
    CHECK(next.has("one", state(1000)));
    CHECK(next.has("two", state(10, 'c')));
    CHECK_EQUAL(next.counters().store_failures, 0U);
}

void knows_nothing_of_another_identity() {
    const TemporaryFolder folder;
    Store                 first(folder.path(), kMuch, 1);
    Store                 second(folder.path(), kMuch, 2);
    CHECK(first.write("one", state(100)));
    CHECK(!second.has("one", state(100)));
    CHECK(second.write("one", state(100, 'b')));
    CHECK(first.has("one", state(100)));
    CHECK(second.has("one", state(100, 'b')));
}

void removes_what_is_wrong() {
    const TemporaryFolder folder;
    Store                 store(folder.path());
    CHECK(store.write("one", state(100)));
    const fs::path file = folder.files().front();
    fs::resize_file(file, fs::file_size(file) - 1);
    CHECK(!store.has("one", state(100)));
    CHECK(folder.files().empty());
    CHECK_EQUAL(store.counters().store_failures, 1U);
    CHECK(store.write("one", state(100)));
    CHECK(store.has("one", state(100)));
}

void keeps_to_its_limit_and_to_what_was_used_last() {
    const TemporaryFolder folder;
    constexpr uint64_t    kLimit = 20000;
    Store                 store(folder.path(), kLimit);
    CHECK(store.write("kept", state(1000)));
    for (int i = 0; i < 100; ++i) {
        CHECK(store.write(std::to_string(i), state(1000)));
        CHECK(store.has("kept", state(1000)));
        CHECK(folder.n_bytes() <= kLimit + uint64_t{ 100 } * 64);  // heads of files are counted with the folder
    }
    CHECK(!store.write("large", state(kLimit + 1)));
    CHECK(store.has("99", state(1000)));
    CHECK(!store.has("1", state(1000)));
}

void leaves_to_others_what_they_write() {
    const TemporaryFolder folder;
    const fs::path        partial = temporary_folder(folder.path());
    fs::create_directories(partial);
    OwnedFile      owned;
    const fs::path mine   = partial / unique_name();
    const fs::path killed = partial / unique_name();
    CHECK(!owned.create(mine));
    CHECK(!owned.write("half"));
    std::ofstream(killed) << "half";
    Store store(folder.path());
    CHECK(store.write("one", state(100)));  // comes after the folder was counted
    CHECK(fs::exists(mine));
    CHECK(!fs::exists(killed));
}

void does_not_read_what_is_not_wanted() {
    const TemporaryFolder folder;
    Store                 store(folder.path());
    CHECK(store.write("one", state(100)));
    Gate gate;
    StoreProbe::reader(store.store()).post([&] { gate.wait(); });
    const uint64_t unwanted = store.store().read("one", 100);
    store.store().give_up(unwanted);
    const uint64_t wanted = store.store().read("one", 100);
    gate.open();
    CHECK(store.answer_to(wanted).stored);
    for (const auto & answer : store.store().take_answers()) {
        CHECK(answer.request != unwanted);
    }
}

void takes_few_reads_beside_many_that_nobody_wants() {
    const TemporaryFolder folder;
    Store                 store(folder.path());
    Gate                  gate;
    StoreProbe::set_most_unwanted(store.store(), 4);
    StoreProbe::reader(store.store()).post([&] { gate.wait(); });
    for (int i = 0; i < 2; ++i) {
        store.store().give_up(store.store().read("one", 10));
        store.store().give_up(store.store().look("one"));
        store.store().look("two");  // somebody waits
    }
    CHECK(!store.store().takes_reads(0));
    gate.open();
    CHECK(!store.looks("three"));
    CHECK(store.store().takes_reads(3));
    CHECK(!store.store().takes_reads(4));
}

#ifndef _WIN32
// Folders of another user, somewhere among one's own; root, who may read all, becomes nobody.
void counts_what_lies_beside_folders_that_it_may_not_read() {
    constexpr uid_t kNobody = 65534;
    const bool      is_root = geteuid() == 0;
    CHECK(!is_root || seteuid(kNobody) == 0);
    {
        const TemporaryFolder folder;
        const auto            of_number = [&](uint64_t number) {
            return folder.path() / hex_digits(number);
        };
        fs::create_directories(folder.path());
        for (uint64_t i = 0; i < 8; ++i) {
            fs::create_directories(of_number(i));
            fs::permissions(of_number(i), fs::perms::none);
        }
        const fs::path path = folder.path() / StateKey{ 100, "one" }.path();
        fs::create_directories(path.parent_path());
        std::ofstream(path) << "0123456789";
        CHECK_EQUAL(trim_states(folder.path(), 100, 100), 10U);
        CHECK_EQUAL(trim_states(folder.path(), 5, 5), 0U);
        CHECK(!fs::exists(path));
        for (uint64_t i = 0; i < 8; ++i) {
            fs::permissions(of_number(i), fs::perms::owner_all);
        }
    }
    CHECK(!is_root || seteuid(0) == 0);
}
#endif

void goes_on_after_a_task_that_threw() {
    const TemporaryFolder folder;
    Store                 store(folder.path());
    StoreProbe::writer(store.store()).post([] { throw std::runtime_error("no such thing"); });
    CHECK(store.write("one", state(10)));
}

void waits_for_no_task_once_it_is_to_abort() {
    DiskThread        thread;
    Gate              gate;
    std::atomic<bool> abort{ false };
    thread.post([&] { gate.wait(); });
    auto finished = std::async(std::launch::async, [&] { thread.finish(std::chrono::hours(1), abort); });
    CHECK(finished.wait_for(std::chrono::milliseconds(0)) == std::future_status::timeout);
    abort = true;
    CHECK(finished.wait_for(std::chrono::minutes(1)) == std::future_status::ready);
    gate.open();
}

void drops_what_comes_while_much_waits() {
    const TemporaryFolder folder;
    Store                 store(folder.path());
    Gate                  gate;
    int                   n_done = 0;
    const auto            count  = [&] {
        n_done += 1;
    };
    StoreProbe::set_most_waiting(store.store(), 100);
    StoreProbe::writer(store.store()).post([&] { gate.wait(); });
    for (int i = 0; i < 5; ++i) {
        store.store().post(60, count);
    }
    gate.open();
    CHECK(store.write("one", state(10)));
    CHECK_EQUAL(n_done, 2);
    store.store().post(60, count);
    CHECK(store.write("two", state(10)));
    CHECK_EQUAL(n_done, 3);
}

// Stores of one folder write, read and remove the same states at once: each that comes back is right.
void shares_its_folder() {
    const TemporaryFolder    folder;
    std::vector<std::thread> threads;
    std::atomic<int>         n_wrong{ 0 };
    for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&, thread] {
            Store store(folder.path(), 20000);
            for (int i = 0; i < 60; ++i) {
                const int         document = (i * 7 + thread) % 25;
                const std::string tokens   = std::to_string(document);
                const auto        expected = state(1000, static_cast<char>('a' + document));
                store.write(tokens, expected);
                const auto answer = store.answer_to(store.store().read(tokens, expected.size()));
                if (answer.stored && answer.bytes.state() != std::string_view(expected.data(), expected.size())) {
                    n_wrong += 1;
                }
            }
            n_wrong += static_cast<int>(store.counters().store_failures);
        });
    }
    for (std::thread & thread : threads) {
        thread.join();
    }
    CHECK_EQUAL(n_wrong, 0);
    CHECK(fs::is_empty(temporary_folder(folder.path())));
}

}  // namespace

int main() {
    return check::run({
        { "gives back what was written", gives_back_what_was_written },
        { "knows nothing of another identity", knows_nothing_of_another_identity },
        { "removes what is wrong", removes_what_is_wrong },
        { "keeps to its limit and to what was used last", keeps_to_its_limit_and_to_what_was_used_last },
        { "leaves to others what they write", leaves_to_others_what_they_write },
        { "does not read what is not wanted", does_not_read_what_is_not_wanted },
        { "takes few reads beside many that nobody wants", takes_few_reads_beside_many_that_nobody_wants },
#ifndef _WIN32
        { "counts what lies beside folders that it may not read",
          counts_what_lies_beside_folders_that_it_may_not_read },
#endif
        { "goes on after a task that threw", goes_on_after_a_task_that_threw },
        { "waits for no task once it is to abort", waits_for_no_task_once_it_is_to_abort },
        { "drops what comes while much waits", drops_what_comes_while_much_waits },
        { "shares its folder", shares_its_folder },
    });
}
