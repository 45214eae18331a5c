// SPDX-License-Identifier: Apache-2.0
// Where the kernel says no more than "Invalid argument", partd says what is in the way.

#include "host_view.h"

#include <catch2/catch.hpp>

using namespace partd::test;

TEST_CASE("plain words: an IPv6 address at an interface with a small MTU", "[address][failure]") {
    Sandbox sandbox;
    const std::string head = "[partition.s.link.eth0]\n";
    sandbox.write_config("s.toml", head + "address = [\"10.66.0.2/24\"]\nmtu = 576\n");
    sandbox.apply();
    // A key that leaves the file leaves the interface as it is.
    sandbox.write_config("s.toml", head + "address = [\"10.66.0.2/24\", \"fd00:66::2/64\"]\n");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 6);
    CHECK(applied.err.find("s.toml:2:") != std::string::npos);
    CHECK(applied.err.find(
              "s/eth0 has MTU 576, and IPv6 needs at least 1280: write mtu = 1280 or more for it") !=
          std::string::npos);
    sandbox.write_config("s.toml", head + "address = [\"10.66.0.2/24\", \"fd00:66::2/64\"]\nmtu = 1280\n");
    sandbox.apply();
}
