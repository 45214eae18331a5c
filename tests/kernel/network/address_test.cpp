// SPDX-License-Identifier: Apache-2.0
// Several addresses of one network: which one the interface sends from.
#include "host_view.h"

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

std::string with_addresses(const std::string& addresses) {
    return "[partition.web.link.eth0]\naddress = [" + addresses +
           "]\npeer = { name = \"web0\", address = [\"10.1.1.2/24\", \"fd00:1::2/64\"] }\n";
}

}  // namespace

TEST_CASE("addresses: packets come from the first of a network in the file", "[address][edit]") {
    Sandbox sandbox;
    const auto come_from = [&](const std::string& four, const std::string& six) {
        const Server server(kHere, "10.1.1.2", 80);
        const Server server6(kHere, "fd00:1::2", 80);
        CHECK(seen_by(sandbox.netns("web"), "10.1.1.2", 80) == four);
        CHECK(seen_soon(sandbox.netns("web"), "fd00:1::2", 80) == six);
    };
    const std::string other = R"(, "10.9.9.9/24", "fd00:9::9/64")";
    sandbox.write_config(
        "web.toml",
        with_addresses(R"("10.1.1.1/24", "10.1.1.5/24", "fd00:1::1/64", "fd00:1::5/64")" + other));
    sandbox.apply();
    come_from("10.1.1.1", "fd00:1::1");

    sandbox.write_config(
        "web.toml",
        with_addresses(R"("10.1.1.5/24", "10.1.1.1/24", "fd00:1::5/64", "fd00:1::1/64")" + other));
    const auto plan = sandbox.partctl_json({"diff"});
    CHECK(lists(plan, "changes", "address", "10.1.1.5"));
    CHECK_FALSE(lists(plan, "changes", "address", "10.9.9.9"));
    sandbox.apply();
    come_from("10.1.1.5", "fd00:1::5");

    // one that goes takes no other along
    sandbox.write_config("web.toml", with_addresses(R"("10.1.1.1/24", "fd00:1::1/64")" + other));
    const auto removal = sandbox.partctl_json({"diff"});
    CHECK(removal.at("changes").size() == 2);
    sandbox.apply();
    come_from("10.1.1.1", "fd00:1::1");

    // by hand in the other order
    const int web = sandbox.netns("web");
    sandbox.write_config("web.toml", with_addresses(R"("10.1.1.1/24", "10.1.1.5/24")" + other));
    sandbox.apply();
    ip({"address", "del", "10.1.1.1/24", "dev", "eth0"}, web);
    ip({"address", "add", "10.1.1.1/24", "dev", "eth0"}, web);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    const Server server(kHere, "10.1.1.2", 80);
    CHECK(seen_by(web, "10.1.1.2", 80) == "10.1.1.1");
}
