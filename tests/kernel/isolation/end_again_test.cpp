// SPDX-License-Identifier: Apache-2.0
// A PID 1 that ends by itself is not told as another program's doing.

#include "daemon_fixture.h"

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

TEST_CASE("machine: a command that ends again and again is told as that", "[machine][daemon]") {
    Sandbox sandbox;
    sandbox.write_config("m.toml",
                         "[partition.m]\nnamespaces = [\"pid\"]\n[partition.m.init]\n"
                         "command = [\"sh\", \"-c\", \"sleep 0.4; exit 3\"]\n");
    const Daemon daemon;
    REQUIRE(daemon.said("has ended by itself", 10s));
    REQUIRE(daemon.said("ends by itself again and again", 20s));
    INFO(daemon.log());
    CHECK_FALSE(daemon.said("contested", 0ms));
    CHECK(daemon.said("PID 1 of partition m ends by itself again and again: 5 times lately", 0ms));
    CHECK(daemon.said("m.toml:3:", 0ms));
    if (fs::exists("/proc/self/ns/mnt") && run({"uname", "-r"}).out >= "6.15") {
        CHECK(daemon.said("it exited with status 3", 0ms));
    }
}
