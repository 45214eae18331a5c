// SPDX-License-Identifier: Apache-2.0
#include "config/compile.h"
#include "config/nesting.h"
#include "config/toml.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/kinds.h"
#include "kinds/link/link.h"

#include <catch2/catch.hpp>

using namespace partd;

namespace {

config::Compiled compile(std::initializer_list<TextFile> files) {
    const std::vector<TextFile> all(files);
    return config::compile(all, pure_kinds());
}

const Resource* find(const State& state, std::string_view kind, std::string_view name) {
    for (const Resource& resource : state.all()) {
        if (resource.key.kind->name == kind && resource.key.name == name) {
            return &resource;
        }
    }
    return nullptr;
}

}  // namespace

TEST_CASE("A string that nothing closes is found where it begins") {
    using config::find_open_string;
    CHECK_FALSE(find_open_string("a = \"it's\" # don't\nb = '''\n\"\n'''\nc = \"\\\"\"\n"));
    CHECK(find_open_string("a = 1\nb = \"c\nd = \"e\"\n") == config::TextPosition{2, 5});
    CHECK(find_open_string("\"é\" = 'x") == config::TextPosition{1, 7});
    CHECK(find_open_string("a = \"\"\"\n\"\n") == config::TextPosition{1, 5});
}

TEST_CASE("Depth is counted before parsing") {
    CHECK_FALSE(
        config::find_deep_nesting("a.b.c = \"x.y.z.....................................................\"\n# "
                                  "......................................\n"));
    CHECK_FALSE(
        config::find_deep_nesting("a = '''\n[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n'''"));
    std::string bomb = "a";
    for (int i = 0; i < 20'000; ++i) {
        bomb += ".a";
    }
    CHECK(config::find_deep_nesting(bomb + " = 1"));
    CHECK(config::find_deep_nesting("x = " + std::string(200, '[')));
    CHECK(config::find_deep_nesting("\n\nx = { " + bomb + " = 1 }")->line == 3);
}

TEST_CASE("Malformed files give a place, and never more") {
    for (const std::string& text :
         {std::string("[\n"), std::string("\xef\xbb\x2f"), std::string("a = "), std::string("a = 1\na = 2\n"),
          std::string("a = \"\\u0000\""), std::string("a = inf"), std::string("a = nan"),
          std::string("a = 1979-05-27"), std::string("\xff\xfe"), std::string("a = \"\\u001b[0m\""),
          std::string("\0\0\0", 3)}) {
        Diagnostics problems;
        INFO(text);
        CHECK_FALSE(config::parse_toml({"x.toml", text}, problems));
        REQUIRE_FALSE(problems.empty());
        CHECK(problems.problems()[0].at.line >= 1);
        CHECK(problems.problems()[0].at.column >= 1);
    }
}

TEST_CASE("One object in two files names both places") {
    const auto twice =
        compile({{"a.toml", "\n[partition.web]\n"}, {"b.toml", "[partition.web]\ndescription = \"x\"\n"}});
    REQUIRE(twice.problems.problems().size() == 1);
    const Problem& problem = twice.problems.problems()[0];
    CHECK(problem.at.place() == "b.toml:1");
    CHECK(problem.other.place() == "a.toml:2");
}

TEST_CASE("Objects below one partition may stand in several files") {
    const auto split =
        compile({{"a.toml", "[partition.web]\n"},
                 {"b.toml", "[partition.web.link.eth0]\naddress = [\"10.0.0.1/24\"]\n"},
                 {"c.toml", "[[partition.web.route]]\nto = \"10.9.0.0/16\"\nvia = \"10.0.0.2\"\n"},
                 {"d.toml", "[[partition.web.route]]\nto = \"10.8.0.0/16\"\nvia = \"10.0.0.2\"\n"}});
    CHECK(split.problems.empty());
    CHECK(find(split.desired, "route", "web 10.8.0.0/16") != nullptr);
    CHECK(find(split.desired, "route", "web 10.9.0.0/16") != nullptr);
}

TEST_CASE("Templates fill up, the partition's own keys win") {
    const auto result = compile({{"t.toml", R"(
[template.tenant]
cgroup = { memory.max = "256M", pids.max = 10 }
[template.tenant.link.eth0]
address = ["10.60.{index}.2/24"]
peer = { name = "tn-{name}", address = ["10.60.{index}.1/24"] }
[partition.zeta]
extends = "tenant"
[partition.alpha]
extends = "tenant"
cgroup.memory.max = "512M"
[partition.fixed]
extends = "tenant"
index = 77
)"}});
    CHECK(result.problems.empty());
    CHECK(find(result.desired, "address", "zeta/eth0 10.60.1.2/24") !=
          nullptr);  // order of declaration, not of names
    CHECK(find(result.desired, "address", "alpha/eth0 10.60.2.2/24") != nullptr);
    CHECK(find(result.desired, "address", "host:tn-fixed 10.60.77.1/24") != nullptr);
    const Resource* memory = find(result.desired, "limit", "partd.slice/partd-alpha.slice memory.max");
    REQUIRE(memory != nullptr);
    CHECK(memory->spec.as<Limit>().value == "536870912");
    CHECK(find(result.desired, "limit", "partd.slice/partd-alpha.slice pids.max") != nullptr);
}

TEST_CASE("What is wrong in a template is told also when nobody extends it, and once when many do") {
    CHECK(compile({{"t.toml", "[template.t]\nlnk = 1\n"}}).problems.problems().size() == 1);
    CHECK(
        compile({{"t.toml",
                  "[template.t]\nlnk = 1\n[partition.a]\nextends = \"t\"\n[partition.b]\nextends = \"t\"\n"}})
            .problems.problems()
            .size() == 1);
}

TEST_CASE("Every problem is told, each with its own place") {
    const auto result = compile({{"x.toml",
                                  "[partition.a]\nfoo = 1\nreach = 3\n[partition.a.link.eth0]\nmtu = "
                                  "12\naddress = [\"10.0.0.1/24\", \"nonsense\"]\n"}});
    REQUIRE(result.problems.problems().size() == 4);
    CHECK(result.problems.problems()[3].at.text() == "x.toml:6:27");
}

TEST_CASE("The default name of a host end fits and keeps the whole name as an altname") {
    const auto result = compile({{"x.toml", "[partition.a-name-of-more-than-fifteen-bytes.link.eth0]\n"}});
    REQUIRE(result.problems.empty());
    const Resource* link = find(result.desired, "link", "a-name-of-more-than-fifteen-bytes/eth0");
    REQUIRE(link != nullptr);
    CHECK(ends_of(link->spec).at(1)->name.size() == 15);
    CHECK(ends_of(link->spec).at(1)->altname == "pv-a-name-of-more-than-fifteen-bytes");
}

TEST_CASE("A host end that a file names otherwise has an alternative name that network managers know") {
    const auto altname = [](const std::string& peer) {
        const auto result =
            compile({{"x.toml", "[partition.a-b.link.eth0]\n" + peer + "[partition.other]\n"}});
        REQUIRE(result.problems.empty());
        return ends_of(find(result.desired, "link", "a-b/eth0")->spec).at(1)->altname;
    };
    CHECK(altname("peer = { name = \"veth0\" }\n") == "pv-a-b.eth0");
    CHECK(altname("peer = { name = \"tn-a\" }\n") == "pv-a-b.eth0");
    CHECK(altname("peer = { name = \"pv-x\" }\n") == "");
    CHECK(altname("") == "");
    CHECK(altname("peer = { partition = \"other\", name = \"eth0\" }\n") == "");
}

TEST_CASE("Of several links whose host ends have no name each gets one of its own") {
    // By link, the names of the host ends; an error for "".
    const auto names = [](const std::string& text, const std::string& more = {}) {
        const auto result = compile({{"x.toml", text + "[partition.other]\n"}, {"y.toml", more}});
        INFO(result.problems.problems().size());
        REQUIRE(result.problems.empty());
        std::map<std::string, std::string> all;
        for (const Resource& resource : result.desired.all()) {
            if (resource.key.kind == &kLink.kind) {
                all[resource.key.name] = ends_of(resource.spec).at(1)->name;
            }
        }
        return all;
    };
    using Names = std::map<std::string, std::string>;
    const std::string zero = "[partition.a.link.eth0]\n";
    const std::string one = "[partition.a.link.eth1]\n";
    const std::string ten = "[partition.a.link.eth10]\n";
    const Names all = {{"a/eth0", "pv-a"}, {"a/eth1", "pv-a.eth1"}, {"a/eth10", "pv-a.eth10"}};
    CHECK(names(zero) == Names{{"a/eth0", "pv-a"}});
    CHECK(names(one) == Names{{"a/eth1", "pv-a"}});
    CHECK(names(zero + one + ten) == all);
    CHECK(names(ten + one + zero) == all);
    CHECK(names(one, ten + zero) == all);
    CHECK(names(one + ten) == Names{{"a/eth1", "pv-a"}, {"a/eth10", "pv-a.eth10"}});
    // A name in the file takes none away, unless it is the default one.
    CHECK(names(zero + "peer.name = \"lan\"\n" + one) == Names{{"a/eth0", "lan"}, {"a/eth1", "pv-a"}});
    CHECK(names(zero + one + "peer.name = \"pv-a\"\n") == Names{{"a/eth0", "pv-a.eth0"}, {"a/eth1", "pv-a"}});
    // Another namespace has names of its own.
    CHECK(names(zero + "peer = { partition = \"other\" }\n" + one) ==
          Names{{"a/eth0", "pv-a"}, {"a/eth1", "pv-a"}});
    CHECK(names(zero + "peer = { partition = \"other\" }\n" + one + "peer = { partition = \"other\" }\n") ==
          Names{{"a/eth0", "pv-a"}, {"a/eth1", "pv-a.eth1"}});
}

TEST_CASE("A second host end without a name keeps its whole name where that is too long") {
    const std::string head = "[partition.a-name-of-more-than-fifteen-bytes.link.";
    const auto result = compile({{"x.toml", head + "eth1]\n" + head + "eth0]\n"}});
    REQUIRE(result.problems.empty());
    const auto peer = [&](const std::string& link) {
        return *ends_of(find(result.desired, "link", "a-name-of-more-than-fifteen-bytes/" + link)->spec)
                    .at(1);
    };
    CHECK(peer("eth0").altname == "pv-a-name-of-more-than-fifteen-bytes");
    CHECK(peer("eth1").altname == "pv-a-name-of-more-than-fifteen-bytes.eth1");
    CHECK(peer("eth1").name.size() == 15);
    CHECK(peer("eth1").name != peer("eth0").name);
}

TEST_CASE("The firewall and NAT stand before a link") {
    const auto result = compile(
        {{"x.toml",
          "[partition.a.link.eth0]\naddress = [\"10.0.0.2/24\"]\n[partition.a.nat]\nmasquerade = true\n"}});
    REQUIRE(result.problems.empty());
    const Resource* link = find(result.desired, "link", "a/eth0");
    const auto needs = [&](std::string_view kind, std::string_view name) {
        return std::ranges::find(link->depends_on, find(result.desired, kind, name)->key) !=
               link->depends_on.end();
    };
    CHECK(needs("masquerade", "a"));
    CHECK(needs("gate", "a: eth0"));
}
