// SPDX-License-Identifier: Apache-2.0
// Declared addresses that this host contradicts: forwards at addresses that nobody has, host ends that take
// an address, a gateway or a network of the host's. apply, status and doctor say so.

#include "doctor_host.h"

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

std::string pair_of(const std::string& address, const std::string& peer, const std::string& more = {}) {
    return "[partition.web.link.eth0]\naddress = [\"" + address + "\"]\npeer = { address = [\"" + peer +
           "\"] }\n" + more;
}

/// The words of status, and of apply before it, about web.
std::string warnings(const Sandbox& sandbox) {
    const std::string all = status_of(sandbox, "web").at("warnings").dump();
    CHECK((sandbox.partctl_json({"apply"}).at("warnings").dump() == "[]") == (all == "[]"));
    return all;
}

bool has(const std::string& text, const std::string& words) {
    INFO(text);
    return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("addresses: a forward at nobody's", "[doctor][addresses]") {
    Sandbox sandbox;
    sandbox.outside();
    const auto forward = [](const std::string& at) {
        return pair_of("10.1.1.1/24", "10.1.1.2/24",
                       "[[partition.web.nat.forward]]\nlisten = \"tcp/8080\"\nto = \"10.1.1.1:80\"\n"
                       "address = [\"" +
                           at + "\"]\n");
    };
    for (const char* own : {"203.0.113.1", "127.0.0.1", "10.1.1.2"}) {
        INFO(own);
        sandbox.write_config("web.toml", forward(own));
        CHECK(sandbox.partctl({"apply"}).err.find("warning") == std::string::npos);
        CHECK(warnings(sandbox) == "[]");
    }
    CHECK(severity(sandbox, "forwards listen at the host's addresses") == "ok");
    sandbox.write_config("web.toml", forward("203.0.113.77"));
    const Outcome applied = sandbox.partctl({"apply"});
    CHECK(applied.code == 0);
    CHECK(has(applied.err,
              "/etc/partd/web.toml:7:11: tcp/8080 of web listens at 203.0.113.77, which is not an "
              "address of this host"));
    CHECK(has(warnings(sandbox), "listens at 203.0.113.77"));
    CHECK(severity(sandbox, "listens at 203.0.113.77") == "warning");
    SECTION("until somebody has it") {
        ip({"address", "add", "203.0.113.77/32", "dev", "lo"});
        CHECK(warnings(sandbox) == "[]");
    }
    SECTION("or a local route leads there") {
        ip({"route", "add", "local", "203.0.113.64/26", "dev", "lo"});
        CHECK(warnings(sandbox) == "[]");
    }
}

TEST_CASE("addresses: a host end in the host's networks", "[doctor][addresses]") {
    Sandbox sandbox;
    sandbox.outside();
    const auto told = [&](const std::string& address, const std::string& peer) {
        INFO(address << " " << peer);
        sandbox.write_config("web.toml", pair_of(address, peer));
        return warnings(sandbox);
    };
    CHECK(told("10.1.1.1/24", "10.1.1.2/24") == "[]");
    CHECK(told("203.0.113.201/32", "203.0.113.200/32") == "[]");
    CHECK(told("203.0.113.201/32", "203.0.113.1/32") == "[]");  // borrowed
    CHECK(has(told("203.0.113.201/28", "203.0.113.200/28"),
              "covers a part of 203.0.113.0/24, which the host reaches by uplink"));
    CHECK(has(told("203.0.113.3/24", "203.0.113.2/24"), "is the host's gateway by uplink"));
    CHECK(has(told("203.0.113.3/24", "203.0.113.1/24"), "is an address of host:uplink, too"));
    CHECK(has(told("2001:db8:ff::3/64", "2001:db8:ff::2/64"), "is the host's gateway by uplink"));
    CHECK(has(told("2001:db8:ff::3/80", "2001:db8:ff::4/80"), "covers a part of 2001:db8:ff::/64"));
    CHECK(severity(sandbox, "covers a part of 2001:db8:ff::/64") == "warning");
    // A network behind a gateway is narrowed by one in it, as routing is made for, and lost in a wider one.
    ip({"route", "add", "10.0.0.0/8", "via", Outside::kPeer4});
    CHECK(told("10.1.1.1/24", "10.1.1.2/24") == "[]");
    ip({"route", "add", "10.1.1.0/28", "via", Outside::kPeer4});
    CHECK(has(told("10.1.1.1/24", "10.1.1.2/24"), "covers a part of 10.1.1.0/28"));
}
