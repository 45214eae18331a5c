// SPDX-License-Identifier: Apache-2.0
// A partition's users have the declared uids on the host, and a second look finds them as declared.

#include "process.h"
#include "sandbox.h"

#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

void write_file(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
}

// A /var/lib of the test's own, and ranges for automatic maps.
void give_ranges() {
    REQUIRE(run({"mount", "-t", "tmpfs", "tmpfs", "/var/lib"}).code == 0);
    write_file("/etc/subuid", "root:4000000:65536\npartd:5000000:131072\n");
    write_file("/etc/subgid", "partd:6000000:131072\n");
}

// The words of a map as a process inside sees it.
std::string map_of(const std::string& partition, const std::string& which) {
    return run({"nsenter", "--user=/run/partd/ns/" + partition + "/user", "cat", "/proc/self/" + which}).out;
}

}  // namespace

TEST_CASE("A declared map is the kernel's", "[user]") {
    const Sandbox sandbox;
    sandbox.write_config("web.toml",
                         "[partition.web.user]\n"
                         "uid_map = [{ inside = 0, outside = 100000, count = 10 }]\n"
                         "gid_map = [{ inside = 0, outside = 200000 }, { inside = 5, outside = 5 }]\n");
    sandbox.apply();
    std::istringstream uids(map_of("web", "uid_map"));
    std::istringstream gids(map_of("web", "gid_map"));
    const auto words = [](std::istringstream& text) {
        return std::vector<std::string>(std::istream_iterator<std::string>(text), {});
    };
    CHECK(words(uids) == std::vector<std::string>{"0", "100000", "10"});
    CHECK(words(gids) == std::vector<std::string>{"0", "200000", "1", "5", "5", "1"});
}

// The kernel tells more than five lines in the order of the numbers inside, whatever the order in which they
// were written.
TEST_CASE("A map of many lines may be in any order", "[user]") {
    const Sandbox sandbox;
    sandbox.write_config("web.toml",
                         "[partition.web.user]\n"
                         "uid_map = [\n"
                         "  { inside = 10, outside = 100010 },\n"
                         "  { inside = 9, outside = 100009 },\n"
                         "  { inside = 8, outside = 100008 },\n"
                         "  { inside = 7, outside = 100007 },\n"
                         "  { inside = 6, outside = 100006 },\n"
                         "  { inside = 0, outside = 100000 },\n"
                         "]\n");
    sandbox.apply();
}

TEST_CASE("Automatic maps take ranges of their own, keep them and give them back", "[user]") {
    const Sandbox sandbox;
    give_ranges();
    sandbox.write_config("a.toml", "[partition.a]\nnamespaces = [\"user\"]\n");
    sandbox.write_config("b.toml", "[partition.b.user]\nauto = true\n");
    sandbox.apply();
    const std::string a = map_of("a", "uid_map");
    const std::string b = map_of("b", "uid_map");
    CHECK((a.contains("5000000") || a.contains("5065536")));
    CHECK((b.contains("5000000") || b.contains("5065536")));
    CHECK(a != b);

    // No range is left for a third one.
    sandbox.write_config("c.toml", "[partition.c.user]\n");
    const Outcome third = sandbox.partctl({"apply"});
    CHECK(third.code == 6);
    CHECK(third.err.contains("/etc/subuid has no 65536 numbers left"));
    CHECK(third.err.contains("c.toml:1"));

    sandbox.remove_config("a.toml");
    sandbox.remove_config("c.toml");
    sandbox.apply();
    sandbox.write_config("c.toml", "[partition.c.user]\n");
    sandbox.apply();
    CHECK(map_of("c", "uid_map") == a);
    CHECK(map_of("b", "uid_map") == b);

    sandbox.remove_config("b.toml");
    sandbox.remove_config("c.toml");
    sandbox.apply();
    CHECK_FALSE(std::filesystem::exists("/var/lib/partd/subids"));
}
