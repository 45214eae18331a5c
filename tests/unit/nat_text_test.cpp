#include "kinds/nat/layout.h"

#include <catch2/catch.hpp>

using namespace partd;
using nat::Bytes;

TEST_CASE("Elements are shown as what they do") {
    const auto web = Bytes().interface("pv-web").done();
    CHECK(nat::elements_text({{.set = "inside", .key = web, .data = {}},
                              {.set = "outward", .key = web, .data = {}}}) == "pv-web, pv-web → outside");
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
