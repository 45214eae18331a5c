// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

TEST_CASE("a stale file in /run/netns does not stand in the way", "[netns][stale]") {
    Sandbox sandbox;
    SECTION("left from a crash before the bind") {
        ip({"netns", "add", "byhand"});
        write_file("/run/netns/workshop", "");
    }
    SECTION("in a plain directory") {
        std::filesystem::create_directory("/run/netns");
        write_file("/run/netns/workshop", "");
    }
    SECTION("after the mount was taken away") {
        sandbox.example("workshop");
        sandbox.apply();
        REQUIRE(::umount2("/run/netns/workshop", MNT_DETACH) == 0);
        CHECK(sandbox.diff() == 1);
    }
    sandbox.example("workshop");
    sandbox.apply();
    CHECK(pings(kHere, "10.1.1.1"));
    CHECK(pings(sandbox.netns("workshop"), "10.1.1.2"));
}

TEST_CASE("a stale file with contents is somebody's: left alone", "[netns][stale][conflict]") {
    Sandbox sandbox;
    std::filesystem::create_directory("/run/netns");
    write_file("/run/netns/workshop", "precious");
    sandbox.example("workshop");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 7);
    CHECK(read_file("/run/netns/workshop") == "precious");
}

TEST_CASE("/run/netns shadowed by another mount is recognised, and mends when it goes", "[netns][shadow]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    const auto inode = netns_inode("workshop");
    const auto index = link("veth0").at("ifindex");
    REQUIRE(::mount("tmpfs", "/run/netns", "tmpfs", 0, nullptr) == 0);

    const auto diff = sandbox.partctl({"diff"});
    INFO("shadowed: " << diff.text());
    CHECK(diff.code != 0);
    CHECK(status_of(sandbox, "workshop").at("state") != "active");
    const auto applied = sandbox.partctl({"apply"});
    INFO("apply while shadowed: " << applied.text());
    CHECK(sandbox.partctl({"doctor"})
              .out.find("no name of a namespace can be believed, so nothing is "
                        "removed, and little can be made") != std::string::npos);
    CHECK(applied.code != 0);
    // what runs goes on
    CHECK(link("veth0").at("ifindex") == index);
    CHECK(pings(kHere, "10.1.1.1"));

    while (::umount2("/run/netns", MNT_DETACH) == 0 && !std::filesystem::exists("/run/netns/workshop")) {
    }
    CHECK(netns_inode("workshop") == inode);
    CHECK(sandbox.diff() == 0);
    CHECK(pings(sandbox.netns("workshop"), "10.1.1.2"));
}

TEST_CASE("a namespace made by another mount namespace's hand: an unshared /run/netns is recognised",
          "[netns][shadow]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    // a service with namespaced mounts sees the empty file below the bind
    const auto inner = run({"unshare", "-m", "--propagation", "private", "sh", "-c",
                            "umount /run/netns/workshop; " PARTCTL " diff; echo \"exit $?\""});
    INFO(inner.text());
    CHECK(inner.out.find("exit 0") == std::string::npos);
    CHECK(sandbox.diff() == 0);
    CHECK(pings(kHere, "10.1.1.1"));
}

TEST_CASE("/run/netns is the shared mount that ip netns makes", "[netns]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    const auto mounts = output({"findmnt", "-n", "-o", "TARGET,PROPAGATION,FSTYPE", "-R", "/run/netns"});
    INFO(mounts);
    CHECK(mounts.find("shared") != std::string::npos);
    CHECK(mounts.find("nsfs") != std::string::npos);
    CHECK(mounts.find("private") == std::string::npos);
    // one mount a namespace, not one on top of another
    CHECK(std::count(mounts.begin(), mounts.end(), '\n') == 2);
    ip({"netns", "add", "byhand"});
    ip({"netns", "del", "byhand"});
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("twenty ip netns add at the same time as the first apply", "[netns][race]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    std::vector<Background> others;
    for (int i = 0; i < 20; ++i) {
        others.emplace_back(Arguments{"ip", "netns", "add", "by-hand-" + std::to_string(i)});
    }
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    for (auto& other : others) {
        CHECK(other.wait(5s) == 0);
    }
    CHECK(netns_names().size() == 22);
    CHECK(sandbox.diff() == 0);
    for (const auto& name : netns_names()) {
        INFO(name);
        CHECK_NOTHROW(links(sandbox.netns(name)));
    }
    CHECK(pings(sandbox.netns("blue"), "10.10.0.2"));
}
