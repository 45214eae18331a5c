// SPDX-License-Identifier: Apache-2.0
// Links with ports that they list themselves: bridge, vrf, bond.

#include "type_trial.h"

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

std::string master_of(const std::string& name, int netns) {
    return link(name, netns).value("master", "");
}

}  // namespace

TEST_CASE("A bridge lists its ports, or they name it", "[links][ports]") {
    Sandbox sandbox;
    const std::string bridge = "[partition.web.link.br0]\nkind = \"bridge\"\n";
    const std::string ports = "[partition.web.link.eth0]\n[partition.web.link.eth1]\n";
    sandbox.write_config("web.toml", bridge + "ports = [\"eth0\", \"eth1\"]\n" + ports);
    sandbox.apply();
    is_settled(sandbox);
    const int inside = sandbox.netns("web");
    const auto check = [&] {
        CHECK(master_of("eth0", inside) == "br0");
        CHECK(master_of("eth1", inside) == "br0");
    };
    check();
    is_put_back(sandbox, inside,
                {{"a port leaves", {{"link", "set", "eth1", "nomaster"}}},
                 {"the bridge is deleted", {{"link", "del", "br0"}}}},
                check);
    sandbox.write_config("web.toml", bridge + ports + "bridge = \"br0\"\n");
    const auto diff = sandbox.partctl({"diff"});
    CHECK(diff.out.find("~ link web/eth0: master br0 → none") != std::string::npos);
    CHECK(diff.out.find("web/eth1") == std::string::npos);
    sandbox.apply();
    CHECK(master_of("eth0", inside).empty());
    CHECK(master_of("eth1", inside) == "br0");
}
