// SPDX-License-Identifier: Apache-2.0
#include "reconcile/history.h"

#include "base/fd.h"
#include "base/value.h"
#include "kernel/file/files.h"
#include "kernel/file/own_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

using namespace partd;

namespace {

Generation sample() {
    return {.number = 7,
            .time = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'795'327'790'771)),
            .origin = "partctl apply by uid 0",
            .outcome = "converged",
            .files = {{"/etc/partd/a.toml", "[partition.a]\n"}, {"/etc/partd/b.toml", "12 c\nno end"}}};
}

bool same(const std::vector<TextFile>& a, const std::vector<TextFile>& b) {
    const auto equal = [](const TextFile& x, const TextFile& y) {
        return x.path == y.path && x.text == y.text;
    };
    return std::ranges::equal(a, b, equal);
}

}  // namespace

TEST_CASE("A generation comes back as it was") {
    const auto read = decode_generation(encode_generation(sample()));
    REQUIRE(read);
    CHECK(read->number == 7);
    CHECK(read->time == sample().time);
    CHECK(read->origin == sample().origin);
    CHECK(read->outcome == sample().outcome);
    CHECK(same(read->files, sample().files));
}

TEST_CASE("A generation cut or changed at any byte is none") {
    const std::string text = encode_generation(sample());
    for (std::size_t at = 0; at < text.size(); ++at) {
        INFO(at);
        CHECK_FALSE(decode_generation(text.substr(0, at)));
        std::string damaged = text;
        damaged[at] = static_cast<char>(damaged[at] ^ 1);
        CHECK_FALSE(decode_generation(damaged));
    }
}

TEST_CASE("No line of a generation can end in its origin") {
    Generation generation = sample();
    generation.origin = "a\nb";
    const auto read = decode_generation(encode_generation(generation));
    REQUIRE(read);
    CHECK(read->origin == "a b");
    CHECK(read->outcome == "converged");
}

TEST_CASE("Files that are cut off anywhere are none, and not fewer") {
    const std::string text = encode_files(sample().files);
    const std::size_t first = encode_files({sample().files[0]}).size();
    for (std::size_t size = 1; size < text.size(); ++size) {
        INFO(size);
        CHECK(decode_files(text.substr(0, size)).has_value() == (size == first));
    }
}

TEST_CASE("Any name of a file comes back as it was") {
    Generation generation = sample();
    generation.files.clear();
    for (const char* name :
         {"a\nb", "\\", "\\n", "\\\n\\\\n", "a b", "-f", "..", "\xff\xfe", "a\\nb", "\n", " 7 x"}) {
        generation.files.push_back({std::string("/etc/partd/") + name + ".toml", "[partition.a]\n"});
        generation.files.push_back({name, ""});
    }
    const auto read = decode_generation(encode_generation(generation));
    REQUIRE(read);
    CHECK(same(read->files, generation.files));
}

TEST_CASE("A name without an end of a line is written as before") {
    CHECK(encode_files({{"/etc/partd/a\\b.toml", "x"}}) == "1 /etc/partd/a\\b.toml\nx");
    // of a partd before this: the name ended in its middle
    const std::string old = "2 /etc/partd/a\nb.toml\nx\n";
    CHECK_FALSE(decode_files(old));
}

TEST_CASE("JSON is read as it is written") {
    Value value;
    value.set("text", "a \"b\" \\ \n ü");
    value.set("number", -3);
    value.set("yes", true);
    value.set("nothing", nullptr);
    value.set("list", Array{Value(1), Value("two"), Value(Object{})});
    const auto read = from_json(to_json(value));
    REQUIRE(read);
    CHECK(to_json(*read) == to_json(value));
    CHECK_FALSE(from_json("{ half a"));
    CHECK_FALSE(from_json(""));
}

TEST_CASE("Several record at a time, and each has a number of its own") {
    const std::string directory = "/tmp/partd-history-" + std::to_string(getpid());
    std::vector<std::thread> writers;
    constexpr std::size_t kWriters = 4;
    constexpr std::size_t kEach = 25;
    std::atomic<int> failed = 0;
    for (std::size_t writer = 0; writer < kWriters; ++writer) {
        writers.emplace_back([&, writer] {
            for (std::size_t i = 0; i < kEach; ++i) {
                Generation generation = sample();
                generation.number = 0;
                generation.origin = std::to_string(writer);
                generation.files[0].text.assign(1000 * writer + i, 'x');
                failed += History(directory).record(generation, 1000) ? 0 : 1;
            }
        });
    }
    std::ranges::for_each(writers, [](std::thread& writer) { writer.join(); });
    CHECK(failed == 0);
    const History history(directory);
    const auto numbers = history.numbers();
    REQUIRE(numbers);
    CHECK(numbers->size() == kWriters * kEach);
    for (const auto number : *numbers) {
        const auto found = history.find(number);
        REQUIRE(found);
        REQUIRE(*found);
        CHECK((*found)->files[0].text.size() / 1000 == std::stoul((*found)->origin));
    }
    CHECK(std::distance(std::filesystem::directory_iterator(directory),
                        std::filesystem::directory_iterator()) == kWriters * kEach);
    std::filesystem::remove_all(directory);
}

TEST_CASE("A draft that was left, or that is being written, is in nobody's way") {
    const std::string directory = "/tmp/partd-draft-" + std::to_string(getpid());
    std::filesystem::create_directories(directory);
    const std::string file = directory + "/file";
    const auto names = [&] {
        return std::distance(std::filesystem::directory_iterator(directory),
                             std::filesystem::directory_iterator());
    };
    {
        const Fd left(open((file + ".new").c_str(), O_WRONLY | O_CREAT, 0666));
        REQUIRE(left);
        REQUIRE(write(left.get(), "half of a long text", 19) == 19);
    }
    REQUIRE(kernel::write_durably(file, "one", 0600));
    CHECK(kernel::read_file(file).value_or("") == "one");
    CHECK(std::filesystem::status(file).permissions() == std::filesystem::perms(0600));
    CHECK(names() == 1);
    {
        const Fd other(open((file + ".new").c_str(), O_WRONLY | O_CREAT, 0600));
        REQUIRE(flock(other.get(), LOCK_EX) == 0);
        REQUIRE(write(other.get(), "half", 4) == 4);
        REQUIRE(kernel::write_atomically(file, "two", 0644));
        CHECK(kernel::read_file(file).value_or("") == "two");
        CHECK(kernel::read_file(file + ".new").value_or("") == "half");
    }
    CHECK(names() == 2);
    const auto again = kernel::write_new_durably(file, "three");
    REQUIRE(again);
    CHECK_FALSE(*again);
    CHECK(kernel::read_file(file).value_or("") == "two");
    CHECK(names() == 1);
    std::filesystem::remove_all(directory);
}
