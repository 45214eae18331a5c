// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

TEST_CASE("workshop: a namespace, a veth and an address at each end", "[workshop]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();

    CHECK(netns_names() == Strings{"workshop"});
    const int inside = sandbox.netns("workshop");
    CHECK(links() == Strings{"veth0"});
    CHECK(links(inside) == Strings{"veth1"});
    CHECK(addresses("veth0") == Strings{"10.1.1.2/24"});
    CHECK(addresses("veth1", inside) == Strings{"10.1.1.1/24"});
    CHECK(link("veth0").at("linkinfo").at("info_kind") == "veth");
    CHECK(is_up("veth0"));
    CHECK(is_up("veth1", inside));
    CHECK(is_up("lo", inside));
    CHECK(pings(kHere, "10.1.1.1"));
    CHECK(pings(inside, "10.1.1.2"));
    CHECK(pings(inside, "127.0.0.1"));
}

TEST_CASE("workshop: ip netns works with the namespace", "[workshop]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();

    const auto names = output({"ip", "netns", "exec", "workshop", "ip", "-br", "link"});
    CHECK(names.find("veth1@") != std::string::npos);
    CHECK(output({"ip", "-n", "workshop", "-br", "addr", "show", "veth1"}).find("10.1.1.1/24") !=
          std::string::npos);
    // other namespaces go on working beside it
    ip({"netns", "add", "byhand"});
    CHECK(sandbox.diff() == 0);
    ip({"netns", "del", "byhand"});
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("workshop: removed, nothing is left", "[workshop][removal]") {
    Sandbox sandbox;
    sandbox.outside();
    const auto before = snapshot(sandbox);
    sandbox.example("workshop");
    sandbox.apply();
    const auto meanwhile = snapshot(sandbox);
    CHECK(difference(before, meanwhile) != "");

    sandbox.remove_config("workshop.toml");
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("workshop: diff shows file and line, and changes nothing", "[workshop][diff]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    const auto before = snapshot(sandbox);
    const auto diff = sandbox.partctl({"diff"});
    INFO(diff.text());
    CHECK(diff.code == 1);
    CHECK(diff.out.find("workshop.toml:13") != std::string::npos);
    CHECK(diff.out.find("+ netns workshop") != std::string::npos);
    CHECK(diff.out.find("+ link workshop/veth1") != std::string::npos);
    CHECK(diff.out.find("10.1.1.1/24") != std::string::npos);
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("workshop: the plan as JSON", "[workshop][diff]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    const auto plan = sandbox.partctl_json({"diff"});
    INFO(plan_text(plan));
    CHECK(plan.at("schema") == 1);
    CHECK(plan.at("conflicts").empty());
    CHECK(lists(plan, "changes", "netns", "workshop"));
    CHECK(lists(plan, "changes", "link", "workshop/veth1"));
    for (const auto& change : plan.at("changes")) {
        CHECK(change.at("action") == "create");
        CHECK(change.at("line").get<int>() > 0);
        CHECK(change.at("file").get<std::string>().ends_with("/etc/partd/workshop.toml"));
    }

    const auto applied = sandbox.partctl_json({"apply"});
    INFO(plan_text(applied));
    CHECK(applied.at("done").get<std::size_t>() == applied.at("changes").size());
    CHECK(applied.at("writes").get<int>() > 0);
    CHECK(applied.at("failed").empty());
    CHECK(sandbox.partctl_json({"apply"}).at("writes") == 0);
}

TEST_CASE("workshop: an edit sends only the difference", "[workshop][edit]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    const auto index = link("veth0").at("ifindex");
    const auto inode = netns_inode("workshop");

    auto text = read_file("/etc/partd/workshop.toml");
    text.replace(text.find("10.1.1.1/24\"]"), 13, "10.1.1.1/24\", \"10.1.1.9/24\"]\nmtu = 1400");
    sandbox.write_config("workshop.toml", text);
    const auto plan = sandbox.partctl_json({"diff"});
    INFO(plan_text(plan));
    CHECK(plan.at("changes").size() == 2);
    sandbox.apply();
    CHECK(link("veth0").at("ifindex") == index);
    CHECK(netns_inode("workshop") == inode);
    CHECK(addresses("veth1", sandbox.netns("workshop")) == Strings{"10.1.1.1/24", "10.1.1.9/24"});
    CHECK(link("veth1", sandbox.netns("workshop")).at("mtu") == 1400);

    sandbox.example("workshop");
    const auto back = sandbox.partctl_json({"diff"});
    INFO(plan_text(back));
    sandbox.apply();
    CHECK(addresses("veth1", sandbox.netns("workshop")) == Strings{"10.1.1.1/24"});
}

TEST_CASE("no link ever appears under a wrong name or in a wrong namespace", "[workshop][veth]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    Background monitor(Arguments{"ip", "monitor", "link"});
    // it has begun to listen when it reports something
    REQUIRE(eventually([&] {
        run({"ip", "link", "set", "lo", "mtu", "65535"});
        run({"ip", "link", "set", "lo", "mtu", "65536"});
        return monitor.written().find("lo:") != std::string::npos;
    }));
    sandbox.apply();
    REQUIRE(eventually([&] { return monitor.written().find("veth0") != std::string::npos; }));
    monitor.stop();
    std::istringstream lines(monitor.written());
    for (std::string line; std::getline(lines, line);) {
        INFO(line);
        if (line.find(": <") != std::string::npos) {
            CHECK((line.find(" veth0@") != std::string::npos || line.find(" lo:") != std::string::npos));
        }
        CHECK(line.find("Deleted") == std::string::npos);
    }
}
