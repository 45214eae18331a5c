// SPDX-License-Identifier: Apache-2.0
// net.ipv4.ping_group_range in the numbers of those inside.

#include "kinds/sysctl/ping_groups.h"

#include <catch2/catch.hpp>

using namespace partd;

namespace {
const kernel::IdMap kMap = {{.inside = 0, .outside = 100000, .count = 65536}};
const kernel::IdMap kTwo = {{.inside = 0, .outside = 1000, .count = 1},
                            {.inside = 1, .outside = 100000, .count = 10}};
}  // namespace

TEST_CASE("Ping groups: through the map, both ways") {
    CHECK(*ping_groups_on_host(kMap, "0 65535") == "100000 165535");
    CHECK(*ping_groups_on_host(kMap, "5 0x0a") == "100005 100010");
    CHECK(*ping_groups_on_host(kMap, "0 2147483647") == "100000 165535");
    CHECK(*ping_groups_on_host(kMap, "1 0") == "1 0");
    CHECK(*ping_groups_on_host({}, "0 7") == "0 7");
    CHECK(ping_groups_inside(kMap, "100000 165535") == "0 65535");
    CHECK(ping_groups_inside(kMap, "1 0") == "1 0");
    CHECK(ping_groups_told(kMap, "100000 165535", "0 2147483647") == "0 2147483647");
    CHECK(ping_groups_told(kMap, "100000 100005", "0 2147483647") == "0 5");
}

TEST_CASE("Ping groups: what is not mapped is told, and can be put back") {
    CHECK(ping_groups_inside(kMap, "0 65535") == "outside 0 65535");
    CHECK(*ping_groups_on_host(kMap, "outside 0 65535") == "0 65535");
    CHECK_FALSE(ping_groups_on_host(kMap, "70000 80000"));
}

TEST_CASE("Ping groups: the kernel has one range") {
    CHECK(*ping_groups_on_host(kTwo, "1 5") == "100000 100004");
    CHECK_FALSE(ping_groups_on_host(kTwo, "0 5"));
}
