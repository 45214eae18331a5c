// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

TEST_CASE("blue-green: joined directly, IPv4 and IPv6, nothing on the host", "[blue-green]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();

    const int blue = sandbox.netns("blue");
    const int green = sandbox.netns("green");
    CHECK(netns_names() == Strings{"blue", "green"});
    CHECK(links() == Strings{});
    CHECK(addresses("eth0", blue) == Strings{"10.10.0.1/30", "fd00:10::1/64"});
    CHECK(addresses("eth0", green) == Strings{"10.10.0.2/30", "fd00:10::2/64"});
    CHECK(pings(blue, "10.10.0.2"));
    CHECK(pings(green, "10.10.0.1"));
    CHECK(pings(blue, "fd00:10::2"));
    CHECK(pings(green, "fd00:10::1"));

    const auto by_exec =
        sandbox.partctl({"exec", "blue", "--", "ping", "-n", "-c", "1", "-W", "2", "fd00:10::2"});
    INFO(by_exec.text());
    CHECK(by_exec.code == 0);
}

TEST_CASE("blue-green: each has its limits", "[blue-green][cgroup]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    for (const std::string name : {"blue", "green"}) {
        const auto cgroup = "partd.slice/partd-" + name + ".slice";
        INFO(cgroup);
        CHECK(sandbox.cgroups().limit(cgroup, "memory.max") == 256 << 20);
        CHECK(sandbox.cgroups().limit(cgroup, "pids.max") == 128);
        CHECK(sandbox.cgroups().processor_percent(cgroup) == Approx(50));
    }
}

TEST_CASE("blue-green: half a processor is half a processor", "[blue-green][cgroup]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    const auto* hierarchy = sandbox.cgroups().of("cpu");
    if (hierarchy == nullptr) {
        PARTD_CANNOT_RUN("no hierarchy has the cpu controller");
    }
    // On a busy machine it may not get its half at first.
    int throttled = 0;
    for (int attempt = 0; attempt < 5 && throttled == 0; ++attempt) {
        const auto done = sandbox.partctl({"exec", "blue", "--", this_program(), "--burn", "700"});
        INFO(done.text());
        REQUIRE(done.code == 0);
        const auto stat = read_file(hierarchy->mount_point + "/partd.slice/partd-blue.slice/cpu.stat");
        const auto at = stat.find("nr_throttled ");
        REQUIRE(at != std::string::npos);
        throttled = std::stoi(stat.substr(at + 13));
    }
    CHECK(throttled > 0);
}

TEST_CASE("blue-green: one side removed from the files, the link goes, the other stays",
          "[blue-green][removal]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    const auto inode = netns_inode("green");
    sandbox.write_config("blue-green.toml", "[partition.green]\ncgroup.pids.max = 128\n");
    sandbox.apply();
    CHECK(netns_names() == Strings{"green"});
    CHECK(netns_inode("green") == inode);
    CHECK(links(sandbox.netns("green")) == Strings{});
    CHECK(sandbox.cgroups().places("partd.slice/partd-blue.slice").empty());
    CHECK(sandbox.cgroups().limit("partd.slice/partd-green.slice", "pids.max") == 128);
    // no longer declared, so no longer limited
    const auto memory = sandbox.cgroups().limit("partd.slice/partd-green.slice", "memory.max");
    CHECK((!memory || *memory > 1LL << 40));
}

TEST_CASE("blue-green: removed to the byte", "[blue-green][removal]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    sandbox.example("blue-green");
    sandbox.apply();
    sandbox.remove_config("blue-green.toml");
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}
