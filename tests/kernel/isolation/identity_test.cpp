// SPDX-License-Identifier: Apache-2.0
// The kernel reuses interface indexes and inodes of namespaces: neither is an identity. Rows 9 and 10 of the
// table in tests/faults.md.

#include "host_view.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <list>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

constexpr const char* kOurs = "[partition.ours.link.eth0]\npeer = { name = \"ours0\" }\n";

/// A new namespace that has the inode of one that is gone; null when the kernel does not give it again. It
/// takes the lowest free number, and frees one a moment after the namespace has gone.
std::unique_ptr<Netns> netns_with(unsigned long inode) {
    constexpr int kCycles = 3000;
    std::list<Netns> below;  // they hold the lower numbers
    for (int i = 0; i < kCycles; ++i) {
        auto made = std::make_unique<Netns>();
        struct stat st{};
        require_call(::fstat(made->fd(), &st) == 0, "fstat");
        if (st.st_ino == inode) {
            return made;
        }
        if (st.st_ino < inode) {
            below.push_back(std::move(*made));
        }
    }
    return nullptr;
}

}  // namespace

TEST_CASE("identity: a foreign link with the index that ours had", "[identity]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml", kOurs);
    sandbox.apply();
    const auto index = link("ours0").at("ifindex").get<int>();
    ip({"link", "del", "ours0"});
    SECTION("under another name") {
        ip({"link", "add", "theirs", "index", std::to_string(index), "type", "bridge"});
        sandbox.apply();
        CHECK(link("theirs").at("ifindex") == index);
        CHECK(link("ours0").at("ifindex") != index);
        sandbox.remove_config("a.toml");
        sandbox.apply();
        CHECK(links() == Strings{"theirs"});
    }
    SECTION("under the same name") {
        ip({"link", "add", "ours0", "index", std::to_string(index), "type", "bridge"});
        const auto applied = sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 7);
        sandbox.remove_config("a.toml");
        (void)sandbox.partctl({"apply"});
        CHECK(link("ours0").at("linkinfo").at("info_kind") == "bridge");
        CHECK(link("ours0").at("ifindex") == index);
    }
    SECTION("of the same kind, both ends, without our marks") {
        ip({"link", "add", "ours0", "index", std::to_string(index), "type", "veth", "peer", "name", "other",
            "index", "777"});
        const auto applied = sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 7);
        sandbox.remove_config("a.toml");
        (void)sandbox.partctl({"apply"});
        CHECK(links() == Strings{"other", "ours0"});
    }
}

TEST_CASE("identity: a foreign namespace with the inode that ours had", "[identity]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml", kOurs);
    sandbox.apply();
    const auto inode = netns_inode("ours");
    ip({"netns", "del", "ours"});
    const auto foreign = netns_with(inode);
    if (!foreign) {
        PARTD_CANNOT_RUN("the kernel does not give the inode again");
    }
    write_file("/run/netns/ours", "");
    const std::string source = "/proc/self/fd/" + std::to_string(foreign->fd());
    REQUIRE(::mount(source.c_str(), "/run/netns/ours", "none", MS_BIND, nullptr) == 0);
    REQUIRE(netns_inode("ours") == inode);
    ip({"link", "add", "theirs", "type", "bridge"}, foreign->fd());
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 7);
    sandbox.remove_config("a.toml");
    const auto removed = sandbox.partctl({"apply"});
    INFO(removed.text());
    CHECK(netns_inode("ours") == inode);
    CHECK(links(foreign->fd()) == Strings{"theirs"});
}
