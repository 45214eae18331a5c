// SPDX-License-Identifier: Apache-2.0
// net.ipv4.ping_group_range in a partition with users of its own.

#include "machine.h"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace partd::test;

TEST_CASE("machine: whoever is in it may ping", "[machine][sysctl]") {
    Sandbox sandbox;
    const auto users = GENERATE(
        as<std::string>{}, "uid_map = [{ inside = 0, outside = 1000000, count = 65536 }]", "auto = true");
    write_file("/etc/subuid", "root:1000000:65536\n");
    write_file("/etc/subgid", "root:1000000:65536\n");
    const auto declared = [&](const std::string& more) {
        sandbox.write_config("m.toml",
                             "[partition.m]\nnamespaces = [\"net\", \"pid\", \"mnt\"]\n[partition.m.user]\n" +
                                 users + "\n" + more);
    };
    const auto inside = [&] {
        auto text = said_in(sandbox, "m", {"cat", "/proc/sys/net/ipv4/ping_group_range"});
        std::ranges::replace(text, '\t', ' ');
        return text;
    };
    declared("");
    settle(sandbox);
    CHECK(inside() == "0 65535");
    CHECK(exec_in(sandbox, "m",
                  {"setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=-all",
                   "--no-new-privs", "ping", "-c1", "-W2", "127.0.0.1"})
              .code == 0);
    for (const auto& [written, is] :
         {std::pair("0 2147483647", "0 65535"), {"0x0 0144", "0 100"}, {"1 0", "65534 65534"}}) {
        INFO(written);
        declared(std::string("[partition.m.sysctl]\nnet.ipv4.ping_group_range = \"") + written + "\"\n");
        settle(sandbox);
        CHECK(inside() == is);
    }
    declared("");
    settle(sandbox);
    CHECK(inside() == "0 65535");
}
