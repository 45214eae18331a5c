// SPDX-License-Identifier: Apache-2.0
// The routes that the kernel makes of addresses, and lo's own addresses: without them a partition is dead,
// though every address stands. The judge is `ip route show table all`.

#include "daemon_fixture.h"
#include "host_view.h"

#include <algorithm>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

constexpr const char* kHome = R"([partition.h.link.eth0]
address = ["10.5.0.2/24", "10.5.0.9/24", "10.7.0.1/32", "fd00:5::2/64"]
peer = { name = "h0", address = ["10.5.0.1/24", "fd00:5::1/64"] }
[[partition.h.route]]
to = "default"
via = "10.5.0.1"
[[partition.h.route]]
to = "default"
via = "fd00:5::1"
)";

std::string sorted_lines(const std::string& text) {
    Strings lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    std::ranges::sort(lines);
    std::string all;
    for (const auto& line : lines) {
        all += line + "\n";
    }
    return all;
}

/// All routes of both namespaces, and the addresses of the partition's.
std::string everything(int inside) {
    std::string all;
    for (const int netns : {inside, kHere}) {
        for (const char* family : {"-4", "-6"}) {
            all += family + ("\n" + sorted_lines(output({"ip", family, "route", "show", "table", "all"},
                                                        {.input = {}, .netns = netns})));
        }
    }
    auto shown = sorted_lines(output({"ip", "-o", "addr", "show"}, {.input = {}, .netns = inside}));
    // ::1 is put back without the route that it gets when somebody asks for it; the kernel's has no flag
    const std::string flag = " noprefixroute";
    if (const auto at = shown.find(flag); at != std::string::npos) {
        shown.erase(at, flag.size());
    }
    return all + shown;
}

/// A change by hand: inside, or on the host.
struct Blow {
    bool inside;
    Arguments command;
    const char* told;  ///< in the plan
};

const std::vector<Blow>& blows() {
    static const std::vector<Blow> kAll = {
        {true, {"route", "flush", "table", "main"}, "without 10.5.0.0/24"},
        {true, {"route", "del", "10.5.0.0/24"}, "without 10.5.0.0/24"},
        {true, {"route", "flush", "table", "local"}, "local 10.5.0.2"},
        {true, {"-6", "route", "flush", "table", "main"}, "fd00:5::/64"},
        {true, {"-6", "route", "flush", "table", "local", "dev", "eth0"}, "local fd00:5::2"},
        {true, {"-6", "route", "del", "fe80::/64", "dev", "eth0"}, "without fe80::/64"},
        {true, {"route", "replace", "10.5.0.0/24", "dev", "lo"}, "without 10.5.0.0/24"},
        {true, {"route", "replace", "10.5.0.0/24", "dev", "eth0", "proto", "static"}, "without 10.5.0.0/24"},
        {true, {"route", "prepend", "10.5.0.0/24", "dev", "lo"}, "without 10.5.0.0/24"},
        {true, {"addr", "del", "127.0.0.1/8", "dev", "lo"}, "without 127.0.0.1/8"},
        {true, {"addr", "del", "::1/128", "dev", "lo"}, "without ::1/128"},
        {true, {"addr", "flush", "dev", "lo"}, "without 127.0.0.1/8, ::1/128"},
        {true, {"route", "del", "table", "local", "local", "127.0.0.0/8"}, "local 127.0.0.0/8"},
        {false, {"route", "del", "10.5.0.0/24"}, "without 10.5.0.0/24"},
        {false, {"route", "flush", "table", "local", "dev", "h0"}, "local 10.5.0.1"},
        {false, {"-6", "route", "flush", "dev", "h0"}, "fd00:5::/64"},
        {false, {"-6", "route", "flush", "table", "local", "dev", "h0"}, "local fd00:5::1"},
    };
    return kAll;
}

}  // namespace

TEST_CASE("own routes: what somebody took away is put back as the kernel had it", "[drift][route]") {
    Sandbox sandbox;
    sandbox.write_config("h.toml", kHome);
    sandbox.apply();
    const int inside = sandbox.netns("h");
    REQUIRE(pings(inside, "10.5.0.1"));
    REQUIRE(pings(inside, "fd00:5::1"));
    const auto standing = everything(inside);
    for (const Blow& blow : blows()) {
        INFO((blow.inside ? "inside: " : "on the host: ") << blow.command.back() << " " << blow.told);
        ip(blow.command, blow.inside ? inside : kHere);
        const auto diff = sandbox.partctl({"diff"});
        INFO(diff.text());
        CHECK(diff.code == 1);
        CHECK(diff.out.find(blow.told) != std::string::npos);
        CHECK(status_of(sandbox, "h").at("state") == "degraded");
        sandbox.apply();
        CHECK(everything(inside) == standing);
        CHECK(status_of(sandbox, "h").at("state") == "active");
    }
    CHECK(pings(inside, "10.5.0.1"));
    CHECK(pings(inside, "fd00:5::1"));
    CHECK(pings(inside, "127.0.0.1"));
}

TEST_CASE("own routes: they go with their address, and what was put back stays with it", "[drift][route]") {
    Sandbox sandbox;
    sandbox.write_config("h.toml", kHome);
    sandbox.apply();
    const int inside = sandbox.netns("h");
    ip({"route", "flush", "table", "main"}, inside);
    ip({"-6", "route", "flush", "table", "main"}, inside);
    ip({"route", "del", "10.5.0.0/24"});
    sandbox.apply();
    SECTION("the address stays, a route is not declared any more") {
        const std::string text = kHome;
        sandbox.write_config("h.toml", text.substr(0, text.find("[[")));
        sandbox.apply();
        CHECK(pings(inside, "10.5.0.1"));
        CHECK(pings(inside, "fd00:5::1"));
        CHECK(routes("10.5.0.0/24", inside).at(0).at("protocol") == "kernel");
    }
    SECTION("the address goes") {
        sandbox.write_config("h.toml", "[partition.h.link.eth0]\npeer = { name = \"h0\" }\n");
        sandbox.apply();
        CHECK(routes("10.5.0.0/24", inside).empty());
        CHECK(routes("10.5.0.0/24").empty());
        CHECK(routes("fd00:5::/64", inside, "main", "-6").empty());
    }
}

TEST_CASE("own routes: those of others' addresses are theirs", "[drift][route][foreign]") {
    Sandbox sandbox;
    sandbox.write_config("h.toml", kHome);
    sandbox.apply();
    const int inside = sandbox.netns("h");
    ip({"addr", "add", "10.77.0.1/24", "dev", "eth0"}, inside);
    ip({"route", "del", "10.77.0.0/24"}, inside);
    ip({"addr", "add", "10.78.0.1/24", "dev", "h0"});
    ip({"route", "del", "10.78.0.0/24"});
    CHECK(sandbox.diff() == 0);
    sandbox.apply();
    CHECK(routes("10.77.0.0/24", inside).empty());
    CHECK(routes("10.78.0.0/24").empty());
}

TEST_CASE("own routes: IPv6 turned off inside is the partition's own matter", "[drift][route]") {
    Sandbox sandbox;
    sandbox.write_config("h.toml",
                         "[partition.h.link.eth0]\naddress = [\"10.5.0.2/24\"]\n"
                         "peer = { name = \"h0\", address = [\"10.5.0.1/24\"] }\n");
    sandbox.apply();
    const int inside = sandbox.netns("h");
    set_sysctl("net.ipv6.conf.all.disable_ipv6", "1", inside);
    CHECK(sandbox.diff() == 0);
    set_sysctl("net.ipv6.conf.all.disable_ipv6", "0", inside);
    sandbox.apply();
}

TEST_CASE("own routes: partd hears of it", "[drift][route][daemon]") {
    const Configured configured(kHome);
    const auto& sandbox = configured.sandbox;
    const Daemon daemon;
    REQUIRE(eventually([] { return has_link("h0"); }));
    const Netns netns("/run/netns/h");
    const int inside = netns.fd();
    REQUIRE(eventually([&] { return pings(inside, "fd00:5::1") && pings(inside, "10.5.0.1"); }));
    REQUIRE(eventually([&] { return sandbox.diff() == 0; }));
    const auto standing = everything(inside);
    for (const Blow& blow : blows()) {
        if (!blow.inside && blow.command.front() == "-6") {
            continue;  // the next look finds it
        }
        INFO((blow.inside ? "inside: " : "on the host: ") << blow.command.back() << " " << blow.told);
        ip(blow.command, blow.inside ? inside : kHere);
        CHECK(eventually([&] { return everything(inside) == standing; }, 10s));
    }
}

TEST_CASE("own routes: written out in the file they are the kernel's all the same", "[drift][route]") {
    Sandbox sandbox;
    const std::string link = R"([partition.h.link.eth0]
address = ["10.5.0.2/24", "fd00:5::2/64"]
peer = { name = "h0", address = ["10.5.0.1/24"] }
)";
    const auto declared = [&](const std::string& more) {
        sandbox.write_config("h.toml", link + more);
        const auto applied = sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 0);
        CHECK(sandbox.diff() == 0);
    };
    declared("");
    const int inside = sandbox.netns("h");
    const auto standing = everything(inside);
    const std::string more = GENERATE(
        std::string("[partition.h.link.lo]\naddress = [\"127.0.0.1/8\"]\n"),
        "[partition.h.link.lo]\naddress = [\"::1/128\"]\n",
        "[partition.h.link.lo]\naddress = [\"127.0.0.53/8\"]\n",
        "[partition.h.link.lo]\naddress = [\"127.0.0.53/8\", \"127.0.0.1/8\", \"127.0.0.54/32\"]\n",
        "[[partition.h.route]]\nto = \"10.5.0.0/24\"\ndev = \"eth0\"\n",
        "[[partition.h.route]]\nto = \"10.5.0.0/24\"\ndev = \"eth0\"\nsrc = \"10.5.0.2\"\nscope = \"link\"\n",
        "[[partition.h.route]]\nto = \"10.5.0.0/24\"\ndev = \"eth0\"\nmtu = 1400\n",
        "[[partition.h.route]]\nto = \"10.5.0.0/24\"\ndev = \"eth0\"\nmetric = 5\n",
        "[[partition.h.route]]\nto = \"fd00:5::/64\"\ndev = \"eth0\"\nmetric = 256\n",
        "[[partition.h.route]]\nto = \"fd00:5::/64\"\ndev = \"eth0\"\nmetric = 256\nmtu = 1400\n",
        "[[partition.h.route]]\nto = \"fd00:5::/64\"\ndev = \"eth0\"\n");
    INFO(more);
    declared(more);
    if (more.find("mtu") != std::string::npos) {
        const bool v6 = more.find("fd00") != std::string::npos;
        const auto shown =
            output({"ip", v6 ? "-6" : "-4", "route", "show", v6 ? "fd00:5::/64" : "10.5.0.0/24"},
                   {.input = {}, .netns = inside});
        INFO(shown);
        CHECK(shown.find("mtu 1400") != std::string::npos);
    }
    ip({"route", "flush", "table", "main"}, inside);
    ip({"addr", "flush", "dev", "lo"}, inside);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(pings(inside, "10.5.0.1"));
    CHECK(pings(inside, "127.0.0.1"));
    CHECK(pings(inside, "::1"));
    declared("");
    CHECK(everything(inside) == standing);
    // and made with the partition
    sandbox.remove_config("h.toml");
    sandbox.apply();
    declared(more);
}

TEST_CASE("own routes: a router partition passes IPv6 on as soon as it stands", "[veth][ipv6]") {
    Sandbox sandbox;
    sandbox.write_config("r.toml", R"([partition.r]
[partition.r.sysctl]
net.ipv6.conf.all.forwarding = 1
[partition.r.link.a]
address = ["fd00:a::1/64"]
peer = { partition = "a", name = "eth0", address = ["fd00:a::2/64"] }
[partition.r.link.b]
address = ["fd00:b::1/64"]
peer = { partition = "b", name = "eth0", address = ["fd00:b::2/64"] }
[partition.a]
[[partition.a.route]]
to = "default"
via = "fd00:a::1"
[partition.b]
[[partition.b.route]]
to = "default"
via = "fd00:b::1"
)");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    REQUIRE(applied.code == 0);
    const int a = sandbox.netns("a");
    for (const auto& [name, link] : {std::pair{"r", "a"}, {"r", "b"}, {"a", "eth0"}, {"b", "eth0"}}) {
        const auto shown = output({"ip", "-6", "addr", "show", "dev", link, "scope", "link"},
                                  {.input = {}, .netns = sandbox.netns(name)});
        INFO(name << "/" << link << ": " << shown);
        CHECK(shown.find("fe80::") != std::string::npos);
        CHECK(shown.find("tentative") == std::string::npos);
    }
    CHECK(pings(a, "fd00:b::2"));
    CHECK(sandbox.diff() == 0);
    // also after somebody set an end down
    ip({"link", "set", "dev", "a", "down"}, sandbox.netns("r"));
    sandbox.apply();
    CHECK(pings(a, "fd00:b::2"));
    // turned on again by hand
    set_sysctl("net.ipv6.conf.b.accept_dad", "1", sandbox.netns("r"));
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(sysctl("net.ipv6.conf.b.accept_dad", sandbox.netns("r")) == "0");
}

TEST_CASE("own routes: probing is the file's where it says so", "[veth][ipv6]") {
    Sandbox sandbox;
    sandbox.write_config("p.toml", R"([partition.p.link.eth0]
address = ["fd00:5::2/64"]
peer = { name = "h0", address = ["fd00:5::1/64"] }
[partition.p.sysctl]
net.ipv6.conf.eth0.accept_dad = 1
)");
    sandbox.apply();
    CHECK(sysctl("net.ipv6.conf.eth0.accept_dad", sandbox.netns("p")) == "1");
    CHECK(sysctl("net.ipv6.conf.default.accept_dad", sandbox.netns("p")) == "1");
}
