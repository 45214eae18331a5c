// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <unistd.h>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

/// After something was changed by hand: diff says so and apply brings everything back.
void check_repair(const Sandbox& sandbox, const std::string& kind) {
    const auto diff = sandbox.partctl({"diff"});
    INFO("diff after the change: " << diff.text());
    CHECK(diff.code == 1);
    const auto plan = sandbox.partctl_json({"diff"});
    CHECK(lists(plan, "changes", kind));
    CHECK(plan.at("conflicts").empty());
    const auto applied = sandbox.partctl({"apply"});
    INFO("apply: " << applied.text());
    CHECK(applied.code == 0);
    const auto again = sandbox.partctl({"diff"});
    INFO("diff after the repair: " << again.text());
    CHECK(again.code == 0);
}

/// The state of workshop.toml, judged by ip and ping.
void check_workshop(Sandbox& sandbox) {
    const int inside = sandbox.netns("workshop");
    CHECK(netns_names() == Strings{"workshop"});
    CHECK(links() == Strings{"veth0"});
    CHECK(links(inside) == Strings{"veth1"});
    CHECK(addresses("veth0") == Strings{"10.1.1.2/24"});
    CHECK(addresses("veth1", inside) == Strings{"10.1.1.1/24"});
    CHECK(is_up("veth0"));
    CHECK(is_up("veth1", inside));
    CHECK(is_up("lo", inside));
    CHECK(link("veth0").at("mtu") == 1500);
    CHECK(link("veth1", inside).at("mtu") == 1500);
    CHECK(pings(kHere, "10.1.1.1"));
    CHECK(pings(inside, "10.1.1.2"));
}

struct Workshop {
    Sandbox sandbox;
    int inside = -1;

    Workshop() {
        sandbox.example("workshop");
        sandbox.apply();
        inside = sandbox.netns("workshop");
    }
    void repairs(const std::string& kind) {
        check_repair(sandbox, kind);
        check_workshop(sandbox);
    }
};

}  // namespace

TEST_CASE("drift: a peer renamed", "[drift][veth]") {
    Workshop workshop;
    const auto index = link("veth0").at("ifindex");
    SECTION("on the host") {
        ip({"link", "set", "veth0", "down"});
        ip({"link", "set", "veth0", "name", "oops"});
        workshop.repairs("link");
    }
    SECTION("on the host, and up again") {
        // Only since Linux 6.2 is a link renamed while it is up.
        ip({"link", "set", "veth0", "down"});
        ip({"link", "set", "veth0", "name", "oops"});
        ip({"link", "set", "oops", "up"});
        workshop.repairs("link");
        CHECK(link("veth0").at("ifindex") == index);
    }
    SECTION("inside") {
        ip({"link", "set", "veth1", "down"}, workshop.inside);
        ip({"link", "set", "veth1", "name", "oops"}, workshop.inside);
        workshop.repairs("link");
    }
}

TEST_CASE("drift: the namespace deleted by ip netns del", "[drift][netns]") {
    Workshop workshop;
    const auto before = netns_inode("workshop");
    ip({"netns", "del", "workshop"});
    check_repair(workshop.sandbox, "netns");
    // the test's own descriptor keeps the old one alive; nobody may take it for the new one
    CHECK(netns_inode("workshop") != before);
    check_workshop(workshop.sandbox);
}

TEST_CASE("drift: the namespace deleted, and a foreign one made under its name", "[drift][netns][conflict]") {
    Workshop workshop;
    ip({"netns", "del", "workshop"});
    ip({"netns", "add", "workshop"});
    const auto foreign = netns_inode("workshop");
    const auto plan = workshop.sandbox.partctl_json({"apply"});
    INFO(plan_text(plan));
    CHECK(lists(plan, "conflicts", "netns", "workshop"));
    CHECK(workshop.sandbox.partctl({"apply"}).code == 7);
    CHECK(netns_inode("workshop") == foreign);
    CHECK(links(workshop.sandbox.netns("workshop")) == Strings{});
}

TEST_CASE("drift: an interface set down", "[drift][veth]") {
    Workshop workshop;
    SECTION("on the host") {
        ip({"link", "set", "veth0", "down"});
        workshop.repairs("link");
    }
    SECTION("inside") {
        ip({"link", "set", "veth1", "down"}, workshop.inside);
        workshop.repairs("link");
    }
    SECTION("lo") {
        ip({"link", "set", "lo", "down"}, workshop.inside);
        CHECK(workshop.sandbox.diff() == 1);
        workshop.sandbox.apply();
        check_workshop(workshop.sandbox);
    }
}

TEST_CASE("drift: an address removed", "[drift][address]") {
    Workshop workshop;
    SECTION("on the host") {
        ip({"addr", "del", "10.1.1.2/24", "dev", "veth0"});
        workshop.repairs("address");
    }
    SECTION("inside") {
        ip({"addr", "del", "10.1.1.1/24", "dev", "veth1"}, workshop.inside);
        workshop.repairs("address");
    }
    SECTION("all of them, and the other prefix length put in its place by hand") {
        ip({"addr", "flush", "dev", "veth1"}, workshop.inside);
        ip({"addr", "add", "10.1.1.1/16", "dev", "veth1"}, workshop.inside);
        CHECK(workshop.sandbox.diff() == 1);
        workshop.sandbox.apply();
        CHECK(addresses("veth1", workshop.inside) == Strings{"10.1.1.1/16", "10.1.1.1/24"});
    }
}

TEST_CASE("drift: mtu changed", "[drift][veth]") {
    Sandbox sandbox;
    sandbox.write_config("big.toml", R"(
[partition.big.link.eth0]
address = ["10.2.0.1/24"]
mtu = 9000
mac = "02:00:00:00:00:01"
peer = { name = "big0", address = ["10.2.0.2/24"], mtu = 9000, mac = "02:00:00:00:00:02" }
)");
    sandbox.apply();
    const int inside = sandbox.netns("big");
    const auto intact = [&] {
        CHECK(link("big0").at("mtu") == 9000);
        CHECK(link("eth0", inside).at("mtu") == 9000);
        CHECK(link("big0").at("address") == "02:00:00:00:00:02");
        CHECK(link("eth0", inside).at("address") == "02:00:00:00:00:01");
        CHECK(output({"ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s", "8972", "10.2.0.1"})
                  .find(" 0% packet loss") != std::string::npos);
    };
    intact();
    SECTION("on the host") {
        ip({"link", "set", "big0", "mtu", "1500"});
    }
    SECTION("inside") {
        ip({"link", "set", "eth0", "mtu", "1400"}, inside);
    }
    SECTION("hardware address on the host") {
        ip({"link", "set", "big0", "address", "02:00:00:00:00:03"});
    }
    SECTION("hardware address inside") {
        ip({"link", "set", "eth0", "address", "02:00:00:00:00:03"}, inside);
    }
    const auto plan = sandbox.partctl_json({"diff"});
    INFO(plan_text(plan));
    REQUIRE(plan.at("changes").size() == 1);
    CHECK(plan.at("changes").at(0).at("action") == "update");
    CHECK(plan.at("changes").at(0).at("line").get<int>() >= 2);
    CHECK(plan.at("changes").at(0).at("fields").size() == 1);
    check_repair(sandbox, "link");
    intact();
}

TEST_CASE("drift: diff says from what to what", "[drift][diff]") {
    Workshop workshop;
    workshop.sandbox.write_config(
        "workshop.toml",
        "[partition.workshop.link.veth1]\nmtu = 9000\naddress = [\"10.1.1.1/24\"]\npeer = { name = "
        "\"veth0\", address = [\"10.1.1.2/24\"] }\n");
    const auto diff = workshop.sandbox.partctl({"diff"});
    INFO(diff.text());
    CHECK(diff.out.find("~ link workshop/veth1: mtu 1500 → 9000") != std::string::npos);
    CHECK(diff.out.find("workshop.toml:1") != std::string::npos);
}

TEST_CASE("drift: the link deleted", "[drift][veth]") {
    Workshop workshop;
    SECTION("on the host") {
        ip({"link", "del", "veth0"});
    }
    SECTION("inside") {
        ip({"link", "del", "veth1"}, workshop.inside);
    }
    workshop.repairs("link");
}

TEST_CASE("drift: the link moved to another namespace", "[drift][veth]") {
    Workshop workshop;
    const Netns elsewhere;
    const auto path = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(elsewhere.fd());
    SECTION("the host's end") {
        ip({"link", "set", "veth0", "netns", path});
    }
    SECTION("the inner end") {
        ip({"link", "set", "veth1", "netns", path}, workshop.inside);
    }
    workshop.repairs("link");
    CHECK(links(elsewhere.fd()) == Strings{});
}

TEST_CASE("drift: between two partitions", "[drift][veth]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    SECTION("the end in green renamed") {
        ip({"link", "set", "eth0", "down"}, sandbox.netns("green"));
        ip({"link", "set", "eth0", "name", "oops"}, sandbox.netns("green"));
        check_repair(sandbox, "link");
    }
    SECTION("green deleted") {
        ip({"netns", "del", "green"});
        check_repair(sandbox, "netns");
    }
    SECTION("an IPv6 address gone") {
        ip({"addr", "del", "fd00:10::2/64", "dev", "eth0"}, sandbox.netns("green"));
        check_repair(sandbox, "address");
    }
    SECTION("blue's end down: its IPv6 address goes with it") {
        ip({"link", "set", "eth0", "down"}, sandbox.netns("blue"));
        check_repair(sandbox, "link");
    }
    const int blue = sandbox.netns("blue");
    CHECK(addresses("eth0", sandbox.netns("green")) == Strings{"10.10.0.2/30", "fd00:10::2/64"});
    CHECK(addresses("eth0", blue) == Strings{"10.10.0.1/30", "fd00:10::1/64"});
    CHECK(pings(blue, "10.10.0.2"));
    CHECK(pings(blue, "fd00:10::2"));
}

TEST_CASE("drift: another name for the other end in the file takes its addresses along", "[drift][link]") {
    Sandbox sandbox;
    const auto write = [&](const std::string& name) {
        sandbox.write_config(
            "web.toml", "[partition.web.link.eth0]\naddress = [\"10.80.0.2/24\"]\npeer = { name = \"" + name +
                            "\", address = [\"10.80.0.1/24\", \"fd00:80::1/64\"] }\n");
    };
    write("first0");
    sandbox.apply();
    write("second0");
    sandbox.apply();
    CHECK(links() == Strings{"second0"});
    CHECK(pings(kHere, "10.80.0.2"));
    sandbox.remove_config("web.toml");
    sandbox.apply();
    CHECK(links() == Strings{});
}
