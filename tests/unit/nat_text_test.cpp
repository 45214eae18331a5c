// SPDX-License-Identifier: Apache-2.0
#include "kinds/nat/layout.h"

#include <catch2/catch.hpp>

using namespace partd;
using nat::Bytes;

TEST_CASE("Elements are shown as what they do") {
    const auto web = Bytes().interface("pv-web").done();
    CHECK(nat::elements_text({{.set = "inside", .key = web, .data = {}},
                              {.set = "outward", .key = web, .data = {}}}) == "pv-web → outside");
    CHECK(nat::elements_text(
              {{.set = "masq4_24", .key = Bytes().ip(*Ip::parse("10.1.1.0")).done(), .data = {}}}) ==
          "10.1.1.0/24");
}

TEST_CASE("Elements of a set that somebody else made with another type are shown without looking further") {
    for (const char* set : {"inside", "reach", "masq4_24", "back6_64", "snat4_24", "snatout6_64", "fwd4_0",
                            "fwdto6_48", "other"}) {
        for (std::size_t size = 0; size < 48; ++size) {
            INFO(set << " " << size);
            const std::vector<std::uint8_t> bytes(size, 1);
            CHECK_FALSE(nat::elements_text({{.set = set, .key = bytes, .data = {}}}).empty());
            CHECK_FALSE(nat::elements_text({{.set = set, .key = bytes, .data = {1, 2}}}).empty());
        }
    }
    CHECK_FALSE(nat::fits({.set = "masq4_24", .key = {1, 2}, .data = {}}));
    CHECK_FALSE(nat::fits({.set = "masq4_24", .key = {1, 2, 3, 4}, .data = {1}}));
    CHECK(nat::fits({.set = "masq4_24", .key = {1, 2, 3, 4}, .data = {}}));
}

TEST_CASE("Elements tell which flows they translate") {
    const auto net = *Ip::parse("10.1.1.0");
    const kernel::nft::Element masquerade{.set = "masq4_24", .key = Bytes().ip(net).done(), .data = {}};
    const kernel::nft::Element back{
        .set = "back4_24", .key = Bytes().ip(net).interface("pv-web").done(), .data = {}};
    const kernel::nft::Element forward{
        .set = "fwd4_0",
        .key = Bytes().ip(Ip::any(false)).protocol(Protocol::Udp).port(53).done(),
        .data = Bytes().ip(*Ip::parse("10.1.1.1")).port(5353).done()};
    const kernel::nft::Element gate{.set = "inside", .key = Bytes().interface("pv-web").done(), .data = {}};
    const std::set<kernel::nft::Element> all = {masquerade, back, forward, gate};
    CHECK(nat::translations_of({back, gate}, all).empty());
    const auto source = nat::translations_of({masquerade}, all);
    REQUIRE(source.size() == 1);
    CHECK(source.begin()->source == Prefix{net, 24});
    CHECK(source.begin()->not_out == std::set<std::string>{"pv-web"});
    CHECK_FALSE(source.begin()->listen);
    const auto destination = nat::translations_of({forward}, all);
    REQUIRE(destination.size() == 1);
    REQUIRE(destination.begin()->listen);
    CHECK(destination.begin()->listen->port == 53);
    CHECK(destination.begin()->listen->protocol == Protocol::Udp);
    CHECK_FALSE(destination.begin()->listen->address);
    CHECK(destination.begin()->source == Prefix{Ip::any(false), 0});
}
