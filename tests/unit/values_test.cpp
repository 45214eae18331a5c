// SPDX-License-Identifier: Apache-2.0
#include "base/values.h"

#include "base/ip.h"
#include "base/names.h"
#include "base/text.h"

#include <catch2/catch.hpp>

using namespace partd;
using namespace std::chrono_literals;

TEST_CASE("Addresses and prefixes") {
    CHECK(Address::parse("10.1.1.1/24")->text() == "10.1.1.1/24");
    CHECK(Address::parse("fd00:1::1/64")->prefix().text() == "fd00:1::/64");
    CHECK(Address::parse("10.1.1.1/31")->prefix().text() == "10.1.1.0/31");
    for (const char* wrong : {"10.1.1.1", "10.1.1.1/33", "10.1.1/24", "fd00::1/129", "", "/24", "10.1.1.1/",
                              "10.1.1.1/ 24", "10.1.1.1/-1"}) {
        INFO(wrong);
        CHECK_FALSE(Address::parse(wrong));
    }
    CHECK(Prefix::parse("10.1.1.0/24"));
    CHECK_FALSE(Prefix::parse("10.1.1.1/24"));
    CHECK(Prefix::parse("10.1.1.1")->text() == "10.1.1.1/32");
    CHECK(Prefix::parse("fd00:1::1")->text() == "fd00:1::1/128");
    CHECK(Prefix::parse("0.0.0.0/0")->contains(*Ip::parse("203.0.113.7")));
    CHECK_FALSE(Prefix::parse("0.0.0.0/0")->contains(*Ip::parse("::1")));
    CHECK(Prefix::parse("10.0.0.0/8")->overlaps(*Prefix::parse("10.1.0.0/16")));
    CHECK_FALSE(Prefix::parse("10.0.0.0/16")->overlaps(*Prefix::parse("10.1.0.0/16")));
    CHECK(Ip::parse("fe80::1")->is_link_local());
    CHECK_FALSE(Ip::parse(std::string_view("10.1.1.1\0x", 10)));
}

TEST_CASE("Sizes, durations, ports, endpoints") {
    CHECK(parse_size("512M") == 512ULL << 20);
    CHECK(parse_size("1.5G") == 3ULL << 29);
    CHECK(parse_size("4096") == 4096);
    for (const char* wrong : {"", "M", "1X", "-1", "1e3", "9223372036854775808", "99999999T", "1MM", " 1"}) {
        INFO(wrong);
        CHECK_FALSE(parse_size(wrong));
    }
    CHECK(parse_duration("10ms") == 10ms);
    CHECK(parse_duration("1.5s") == 1500ms);
    CHECK(parse_duration("2h") == 2h);
    CHECK_FALSE(parse_duration("10"));
    CHECK_FALSE(parse_duration("1000000h"));
    CHECK(duration_text(90'000ms) == "90s");
    CHECK(PortRange::parse("udp/5000-5010")->count() == 11);
    for (const char* wrong : {"80", "tcp/0", "tcp/65536", "tcp/10-9", "sctp/1", "tcp/", "tcp/1-"}) {
        INFO(wrong);
        CHECK_FALSE(PortRange::parse(wrong));
    }
    CHECK(Endpoint::parse("[fd00:1::1]:80")->text() == "[fd00:1::1]:80");
    CHECK(Endpoint::parse("10.1.1.1:80")->port == 80);
    CHECK(Endpoint::parse("fd00::1")->port == 0);
    CHECK(Endpoint::parse("[fd00::1:80]")->text() == "[fd00::1:80]");
    CHECK_FALSE(Endpoint::parse("[10.1.1.1]"));
    CHECK_FALSE(Endpoint::parse("fd00::1:99999"));
    CHECK_FALSE(Endpoint::parse("[10.1.1.1]:80"));
    CHECK(canonical_cpu_list("3,0-1,2,8") == "0-3,8");
    CHECK_FALSE(canonical_cpu_list("3-1"));
    CHECK_FALSE(canonical_cpu_list("0-99999999"));
}

TEST_CASE("Names that may go into paths and to the kernel") {
    CHECK(valid_name("a"));
    CHECK(valid_name("test_net"));
    CHECK(valid_name("sampleNetNamespace"));
    CHECK(valid_name("A"));
    CHECK(valid_name(std::string(64, 'x')));
    for (const std::string& wrong : {std::string(), std::string("-a"), std::string("a-"), std::string("A_"),
                                     std::string("a/b"), std::string(".."), std::string("a%d"),
                                     std::string(65, 'x'), std::string("a\x1b"), std::string("a b")}) {
        INFO(wrong);
        CHECK_FALSE(valid_name(wrong));
    }
    CHECK(valid_if_name("eth0.100"));
    CHECK(valid_if_name("ümlaut"));
    CHECK(valid_if_name(std::string(15, 'x')));
    for (const std::string& wrong :
         {std::string(), std::string("."), std::string(".."), std::string("all"), std::string("default"),
          std::string("a%d"), std::string("a/b"), std::string("a:b"), std::string("a b"), std::string("-a"),
          std::string(16, 'x'), std::string("\x1b[1m")}) {
        INFO(wrong);
        CHECK_FALSE(valid_if_name(wrong));
    }
    CHECK(unit_escape("a-b_c") == "a\\x2db_c");
}

TEST_CASE("Text for terminals") {
    CHECK(printable("ä → ✓") == "ä → ✓");
    CHECK(printable("\x1b[2J\n") == "\\x1b[2J\\x0a");
    CHECK(printable("\xff\xc0\x80") == "\\xff\\xc0\\x80");
    CHECK(printable("\xe2\x80\xae") == "\\xe2\\x80\\xae");  // right-to-left override
    CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");           // CSI of C1
}

TEST_CASE("Names that are too long are hashed, and stay apart") {
    const std::string one = shortened("pv-a-rather-long-name-1", 15);
    const std::string two = shortened("pv-a-rather-long-name-2", 15);
    CHECK(one.size() == 15);
    CHECK(one != two);
    CHECK(one == shortened("pv-a-rather-long-name-1", 15));
    CHECK(shortened("pv-short", 15) == "pv-short");
}

TEST_CASE("The nearest known word") {
    const std::vector<std::string_view> known = {"address", "mtu", "mac"};
    CHECK(nearest("adress", known) == "address");
    CHECK(nearest("mtx", known) == "mtu");
    CHECK(nearest("completely", known).empty());
}
