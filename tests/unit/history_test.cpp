#include "reconcile/history.h"

#include "base/value.h"

#include <algorithm>

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

TEST_CASE("Of files that are cut off, those before are whole") {
    const std::string text = encode_files(sample().files);
    const std::size_t first = encode_files({sample().files[0]}).size();
    for (std::size_t size = 0; size < text.size(); ++size) {
        INFO(size);
        CHECK(decode_files(text.substr(0, size)).size() == (size >= first ? 1 : 0));
    }
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
