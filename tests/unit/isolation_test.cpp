// SPDX-License-Identifier: Apache-2.0
#include "config/compile.h"
#include "kernel/namespace/namespaces.h"
#include "kernel/process/processes.h"
#include "kinds/machine/init.h"
#include "kinds/machine/rootfs.h"
#include "kinds/namespace/membership.h"
#include "kinds/namespace/namespace.h"
#include "kinds/namespace/netns.h"

#include <csignal>

#include <catch2/catch.hpp>

using namespace partd;
using kernel::IdMap;

namespace {

config::Compiled compile(const std::string& text) {
    const std::vector<TextFile> files = {{"a.toml", text}};
    return config::compile(files, pure_kinds());
}

Membership membership(const std::string& text, const std::string& partition = "web") {
    const auto compiled = compile(text);
    CHECK(compiled.problems.empty());
    return membership_of(compiled.declared, partition);
}

using Types = std::set<NamespaceKind>;
using Shared = std::map<NamespaceKind, std::string>;

Types types(std::initializer_list<NamespaceKind> all) {
    return all;
}

using enum kernel::NamespaceType;

}  // namespace

TEST_CASE("Maps of users, as the kernel writes them") {
    const IdMap map =
        kernel::parse_id_map("         0     100000      65536\n     65536 4294967294          1\n");
    CHECK((map == IdMap{{0, 100000, 65536}, {65536, 4294967294U, 1}}));
    CHECK(kernel::id_map_text(map) == "0 100000 65536\n65536 4294967294 1\n");
    CHECK(kernel::parse_id_map(kernel::id_map_text(map)) == map);
    CHECK((kernel::parse_id_map("         0          0 4294967295\n") == IdMap{{0, 0, 4294967295U}}));
    CHECK(kernel::parse_id_map("").empty());
    CHECK(kernel::id_map_text({}).empty());
    for (const char* wrong : {"0 1", "0 1 2 3", "\n\n", "nonsense"}) {
        INFO(wrong);
        CHECK(kernel::parse_id_map(wrong).empty());
    }
}

TEST_CASE("A number inside has one outside, or none") {
    const IdMap map = {{0, 100000, 10}, {20, 7, 1}, {4294967290U, 500, 5}};
    CHECK(kernel::outside_id(map, 0) == 100000U);
    CHECK(kernel::outside_id(map, 9) == 100009U);
    CHECK_FALSE(kernel::outside_id(map, 10));
    CHECK_FALSE(kernel::outside_id(map, 19));
    CHECK(kernel::outside_id(map, 20) == 7U);
    CHECK_FALSE(kernel::outside_id(map, 21));
    CHECK(kernel::outside_id(map, 4294967294U) == 504U);
    CHECK_FALSE(kernel::outside_id(map, 4294967295U));
    CHECK_FALSE(kernel::outside_id({}, 0));
}

TEST_CASE("Paths from the root") {
    for (const char* path : {"/", "/srv", "/a..b", "/...", "/.hidden", "/ä b"}) {
        INFO(path);
        REQUIRE(AbsolutePath::parse(path));
        CHECK(AbsolutePath::parse(path)->text() == path);
    }
    // one path has many spellings
    for (const auto& [path, meant] :
         {std::pair("/srv/", "/srv"), std::pair("/srv//web", "/srv/web"), std::pair("/a/./b", "/a/b")}) {
        INFO(path);
        REQUIRE(AbsolutePath::parse(path));
        CHECK(AbsolutePath::parse(path)->text() == meant);
    }
    for (const std::string_view wrong :
         {std::string_view(""), std::string_view("srv"), std::string_view("./srv"),
          std::string_view("../srv"), std::string_view("/.."), std::string_view("/../srv"),
          std::string_view("/srv/.."), std::string_view("/srv/../etc"), std::string_view("/a\nb"),
          std::string_view("/a\tb"), std::string_view("/a\x7f"), std::string_view("/a\0b", 4),
          std::string_view(" /srv")}) {
        INFO(wrong);
        CHECK_FALSE(AbsolutePath::parse(wrong));
    }
}

TEST_CASE("Host names") {
    const std::string longest(64, 'x');
    for (const std::string& name : {std::string("a"), std::string("web-1"), std::string("Web.Example.ORG"),
                                    std::string("0"), std::string("a--b"), longest}) {
        INFO(name);
        REQUIRE(HostName::parse(name));
        CHECK(HostName::parse(name)->text() == name);
    }
    for (const std::string& wrong :
         {std::string(), longest + "x", std::string("-a"), std::string("a-"), std::string(".a"),
          std::string("a."), std::string("a_b"), std::string("a b"), std::string("ä"), std::string("a\n"),
          std::string("a\0b", 3), std::string("(none)")}) {
        INFO(wrong);
        CHECK_FALSE(HostName::parse(wrong));
    }
}

TEST_CASE("Signals by name and number") {
    CHECK(kernel::signal_number("TERM") == SIGTERM);
    CHECK(kernel::signal_number("SIGTERM") == SIGTERM);
    CHECK(kernel::signal_number("15") == SIGTERM);
    CHECK(kernel::signal_number("HUP") == SIGHUP);
    CHECK(kernel::signal_number("WINCH") == SIGWINCH);
    CHECK(kernel::signal_number("1") == SIGHUP);
    CHECK(kernel::signal_number("64") == 64);  // one of real time, which have no names
    for (const char* wrong :
         {"", "0", "-1", "65", "SIG", "SIGSIGTERM", "term", "TERM ", "015", "9 ", "NOSUCH"}) {
        INFO(wrong);
        CHECK_FALSE(kernel::signal_number(wrong));
    }
}

TEST_CASE("A partition has the namespaces that it names and those that its keys imply") {
    CHECK(membership("[partition.web]\n").own == types({Net}));
    CHECK(membership("[partition.web]\nnamespaces = []\n").own.empty());
    CHECK(membership("[partition.web]\nnamespaces = [\"ipc\", \"ipc\"]\n").own == types({Ipc}));
    CHECK(membership("[partition.web]\nhostname = \"a\"\n").own == types({Net, Uts}));
    CHECK(membership("[partition.web]\ndomainname = \"a\"\n").own == types({Net, Uts}));
    CHECK(membership("[partition.web.user]\n").own == types({Net, NamespaceKind::User}));
    CHECK(membership("[partition.web.time]\n").own == types({Net, Time}));
    CHECK(membership("[partition.web.rootfs]\npath = \"/srv/web\"\n").own == types({Net, Mnt}));
    CHECK(membership("[partition.web.init]\ncommand = [\"a\"]\n").own == types({Net, Pid}));
    CHECK(membership("[partition.web]\n", "other").own.empty());
    CHECK_FALSE(membership("[partition.web]\n").has(Mnt));
}

TEST_CASE("What a partition shares is not its own") {
    const std::string pause = "[partition.pause]\nnamespaces = [\"net\", \"ipc\"]\n";
    const Membership all = membership(
        pause + "[partition.web]\nshare = { partition = \"pause\", namespaces = [\"net\", \"ipc\"] }\n");
    CHECK(all.own.empty());
    CHECK((all.shared == Shared{{Net, "pause"}, {Ipc, "pause"}}));
    CHECK(all.has(Net));
    const Membership some = membership(pause +
                                       "[partition.web]\nnamespaces = [\"pid\"]\nhostname = \"web\"\n"
                                       "share = { partition = \"pause\", namespaces = [\"ipc\"] }\n");
    CHECK(some.own == types({Pid, Uts}));
    CHECK((some.shared == Shared{{Ipc, "pause"}}));
    CHECK_FALSE(some.has(Net));
}

TEST_CASE("Which resource holds a namespace") {
    const Key init = init_key("web");
    const auto key = [](const Membership& of, NamespaceKind type) { return namespace_key(of, "web", type); };
    const auto pinned = [](const char* name) { return Key{&kNamespace.kind, name}; };

    const Membership machine = {.own = {Net, Mnt, Pid, Uts}, .shared = {}};
    CHECK(key(machine, Net) == netns_key("web"));
    CHECK(key(machine, Pid) == init);
    CHECK(key(machine, Mnt) == init);
    CHECK(key(machine, Uts) == pinned("web/uts"));

    const Membership alone = {.own = {Mnt}, .shared = {}};
    CHECK(key(alone, Mnt) == pinned("web/mnt"));

    const Membership sharing = {.own = {Mnt}, .shared = {{Net, "pause"}, {Pid, "pause"}}};
    CHECK(key(sharing, Net) == pinned("web/net"));
    CHECK(key(sharing, Pid) == pinned("web/pid"));
    CHECK(key(sharing, Mnt) == pinned("web/mnt"));
}

TEST_CASE("What stands in a namespace goes with it") {
    const auto compiled = compile(
        "[partition.web]\nnamespaces = [\"net\", \"mnt\", \"pid\", \"uts\", \"user\"]\n"
        "user.uid_map = [{ inside = 0, outside = 100000 }]\n"
        "rootfs = { path = \"/srv/web\", overlay = true }\n"
        "link.eth0.address = [\"10.0.0.2/24\"]\n");
    REQUIRE(compiled.problems.empty());
    const Resource* init = compiled.desired.find(init_key("web"));
    REQUIRE(init != nullptr);
    const auto stands_in = [&](std::string_view kind) {
        return std::ranges::any_of(init->contained_in,
                                   [&](const Key& key) { return key.kind->name == kind; });
    };
    CHECK(stands_in("netns"));
    CHECK(stands_in("namespace"));
    CHECK(stands_in("cgroup"));
    CHECK(stands_in("layer"));
    CHECK(compiled.desired.find({&kNamespace.kind, "web/mnt"}) == nullptr);
    const Resource* uts = compiled.desired.find({&kNamespace.kind, "web/uts"});
    REQUIRE(uts != nullptr);
    CHECK((uts->contained_in == std::vector<Key>{{&kNamespace.kind, "web/user"}}));
    CHECK(uts->spec.as<PinnedNamespace>().owner == "web");
}
