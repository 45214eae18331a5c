// SPDX-License-Identifier: Apache-2.0
// Which files tell about a partition, and that they tell all about it.

#include "part_of_whole.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <catch2/catch.hpp>

using namespace partd;
using partd::test::unlike_whole;
using Names = std::set<std::string>;

namespace {

// The files of that owner's group, without the directory.
Names files_of(const std::string& owner, const std::vector<TextFile>& files) {
    for (const config::Related& group : partd::test::related(files)) {
        if (group.owners.contains(owner)) {
            return group.files;
        }
    }
    return {"none"};
}

std::ptrdiff_t need_all(const std::vector<TextFile>& files) {
    return std::ranges::count(partd::test::related(files), true, &config::Related::needs_all);
}

}  // namespace

TEST_CASE("Partitions that do not mention each other are told by their own files") {
    const std::vector<TextFile> files = {{"a", "[partition.a.link.eth0]\n"},
                                         {"b", "[partition.b]\ndescription = \"as ab, b-a1 and ba\"\n"},
                                         {"s", "[slice.s]\npids.max = 7\n"}};
    CHECK(files_of("a", files) == Names{"a"});
    CHECK(files_of("b", files) == Names{"b"});
    CHECK(files_of("s", files) == Names{"s"});
    CHECK(files_of("", files).empty());
    CHECK(unlike_whole(files).empty());
}

TEST_CASE("A partition is told by all whose names are mentioned, in either direction") {
    const std::vector<TextFile> files = {
        {"a", "[partition.a.link.up]\npeer = { partition = \"b\", name = \"down\" }\n"},
        {"b", "[partition.b]\n"},
        {"b2", "[partition.b.link.eth0]\npeer.name = \"tenant0\"\naddress = [\"10.1.1.2/24\"]\n"},
        {"c", "[partition.c.link.v]\nkind = \"vlan\"\nparent = \"host:tenant0\"\nid = 7\n"},
        {"d", "[partition.d.link.v]\nkind = \"vlan\"\nparent = \"host:pv-e\"\nid = 7\n"},
        {"e", "[partition.e.link.eth0]\n"},
        {"f", "[partition.f]\n"},
        {"z", "[daemon]\nhistory = 7\n"}};
    CHECK(files_of("a", files) == Names{"a", "b", "b2", "c"});
    CHECK(files_of("c", files) == files_of("a", files));
    CHECK(files_of("d", files) == Names{"d", "e"});
    CHECK(files_of("f", files) == Names{"f"});
    CHECK(files_of("", files) == Names{"z"});
    CHECK(unlike_whole(files).empty());
}

TEST_CASE("A template is told with those that extend it, and binds them only where it counts them") {
    const std::string one = "[partition.one]\nextends = \"small\"\n";
    const std::string two = "[partition.two]\nextends = \"small\"\n";
    const std::vector<TextFile> plain = {
        {"one", one}, {"t", "[template.small.cgroup]\npids.max = 7\n"}, {"two", two}};
    CHECK(files_of("one", plain) == Names{"one", "t"});
    CHECK(unlike_whole(plain).empty());
    const std::vector<TextFile> counting = {
        {"one", one}, {"t", "[template.small.link.eth0]\naddress = [\"10.1.{index}.2/24\"]\n"}, {"two", two}};
    CHECK(need_all(counting) == 2);
    // A number that the template has itself is not the partition's.
    const std::vector<TextFile> own = {
        {"one", one},
        {"t", "[template.small]\nindex = 9\n[template.small.link.eth0]\naddress = [\"10.1.{index}.2/24\"]\n"},
        {"two", two + "index = 4\n"}};
    CHECK(need_all(own) == 1);
}

TEST_CASE("Where somebody reaches any, all are told together") {
    CHECK(need_all({{"a", "[partition.a]\nreach = [\"any\"]\n[partition.a.link.eth0]\n"},
                    {"b", "[partition.b.link.eth0]\n"}}) == 2);
}

TEST_CASE("Partitions with users of the host by number are told together") {
    const auto users = [](const std::string& name) {
        return "[partition." + name +
               ".user]\nuid_map = [{ inside = 0, outside = 1200000, count = 65536 }]\n";
    };
    const std::vector<TextFile> files = {{"a", users("a")}, {"b", users("b")}, {"c", "[partition.c]\n"}};
    CHECK(files_of("a", files) == Names{"a", "b"});
    CHECK(files_of("c", files) == Names{"c"});
}

TEST_CASE("A forward is told with whoever has its address") {
    const std::vector<TextFile> files = {
        {"p",
         "[partition.p.link.eth0]\naddress = [\"10.1.1.2/24\"]\n[[partition.p.nat.forward]]\n"
         "listen = \"tcp/80\"\naddress = [\"10.77.0.1\"]\nto = \"10.1.1.2:80\"\n"},
        {"q", "[partition.q.link.eth0]\npeer.address = [\"10.77.0.1/24\"]\n"}};
    CHECK(files_of("p", files) == Names{"p", "q"});
}

TEST_CASE("An end on the host is its partition's also where its name was shortened") {
    const std::vector<TextFile> files = {
        {"c", "[partition.c.link.v]\nkind = \"vlan\"\nparent = \"host:pv-web-f325368a\"\nid = 7\n"},
        {"web", "[partition.web]\n"},
        {"web2", "[partition.web-frontend2.link.eth0]\n"}};
    CHECK(files_of("web-frontend2", files).contains("c"));
    CHECK(unlike_whole(files).empty());
}

TEST_CASE("A name is an interface's on the host only where its link leads there, and may be two links'") {
    const std::vector<TextFile> files = {
        {"a", "[partition.a.link.x]\npeer = { partition = \"b\", name = \"up0\" }\n"},
        {"b", "[partition.b]\n"},
        {"c", "[partition.c.link.v]\nkind = \"vlan\"\nparent = \"host:up0\"\nid = 7\n"},
        {"z", "[partition.z.link.eth0]\npeer.name = \"up0\"\n"}};
    CHECK(files_of("a", files) == Names{"a", "b"});
    CHECK(files_of("c", files) == Names{"c", "z"});
}

TEST_CASE("A name that an escape makes is found") {
    const std::vector<TextFile> files = {
        {"a", "[partition.a.link.up]\npeer = { partition = \"\\u0062ee\", name = \"down\" }\n"},
        {"b", "[partition.bee]\n"}};
    CHECK(files_of("a", files) == Names{"a", "b"});
}

TEST_CASE("All examples together are told in parts") {
    std::vector<TextFile> files;
    for (const auto& entry : std::filesystem::directory_iterator(PARTD_SOURCE_DIR "/config-examples")) {
        if (entry.path().extension() != ".toml") {
            continue;
        }
        std::ifstream in(entry.path());
        files.push_back({entry.path(), {std::istreambuf_iterator<char>(in), {}}});
        CAPTURE(files.back().path);
        CHECK(unlike_whole({files.back()}).empty());
        const auto all = load_files(files);
        if (!all->good()) {
            files.pop_back();  // two examples may want one name
        }
    }
    std::ranges::sort(files, {}, &TextFile::path);
    CHECK(files.size() > 4);
    CHECK(unlike_whole(files).empty());
}
