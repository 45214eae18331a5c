// SPDX-License-Identifier: Apache-2.0
#include "kinds/sysctl/text.h"

#include <array>

#include <catch2/catch.hpp>

using namespace partd;

TEST_CASE("Texts of a kernel parameter that mean the same") {
    struct Pair {
        const char* wanted;
        const char* found;
    };
    for (const auto& [wanted, found] :
         std::array{Pair{"55", "55"}, Pair{"0x37", "55"}, Pair{"0X37", "55"}, Pair{"067", "55"},
                    Pair{"00", "0"}, Pair{"-1", "-1"}, Pair{"-0", "0"}, Pair{"20000 0x7530", "20000 30000"},
                    Pair{"4096", "4096 131072 6291456"}, Pair{"8080,8081", "8080-8081"},
                    Pair{"9000-9010,80,81-82,9011", "80-82,9000-9011"}, Pair{"0x50", "80"}, Pair{"", ""},
                    Pair{"FD00::1", "fd00:0000:0000:0000:0000:0000:0000:0001"}, Pair{"1", "00000001"},
                    Pair{"10", "00000010"}, Pair{"0-0-0-AB", "00000000-00000000-00000000-000000ab"},
                    Pair{"0-0-0-1,0-0-0-2",
                         "00000000-00000000-00000000-00000001,00000000-00000000-00000000-00000002"},
                    Pair{"reno", "reno"}}) {
        INFO(wanted << " and " << found);
        CHECK(same_sysctl(wanted, found));
    }
    for (const auto& [wanted, found] :
         std::array{Pair{"55", "56"}, Pair{"55 66", "55"}, Pair{"4096 1", "4096 131072 6291456"},
                    Pair{"", "8080"}, Pair{"8080", ""}, Pair{"8080", "8080-8081"}, Pair{"-1", "1"},
                    Pair{"10", "010"}, Pair{"reno", "cubic"}, Pair{"reno", "reno cubic"}, Pair{"0x", "0"},
                    Pair{"18446744073709551616", "0"}, Pair{"5-3", "3-5"}}) {
        INFO(wanted << " and " << found);
        CHECK(same_sysctl(wanted, found) == (std::string(wanted) == "10"));
    }
}

TEST_CASE("A difference of values is told from one of forms") {
    CHECK(is_comparable("1003", "1004"));
    CHECK(is_comparable("55 66", "55"));
    CHECK(is_comparable("80,99", "80"));
    CHECK(is_comparable("80", ""));
    CHECK_FALSE(is_comparable("cubic reno", "reno cubic"));
    CHECK_FALSE(is_comparable("on", "1"));
}

TEST_CASE("The record of a parameter comes back from the ledger as it went there") {
    for (const auto& before : {std::optional<std::string>("64"), std::optional<std::string>(""),
                               std::optional<std::string>("a;b%3b\x01"), std::optional<std::string>()}) {
        for (const bool written : {true, false}) {
            const SysctlRecord record{before, "0x37;", written ? "55" : "", written};
            const auto read = SysctlRecord::parse(record.text() + " was:9;set:8;made:7;");
            REQUIRE(read);
            CHECK(read->wanted == record.wanted);
            CHECK(read->made == record.made);
            CHECK(read->written == written);
            CHECK(read->before == before);
            CHECK(SysctlRecord::parse(record.text())->before == before);
            CHECK(record.text().find_first_of("\t\n") == std::string::npos);
        }
    }
    CHECK_FALSE(SysctlRecord::parse(""));
    const auto old = SysctlRecord::parse("was:0");
    REQUIRE(old);
    CHECK(old->before == "0");
    CHECK(old->written);
}

TEST_CASE("What one parameter does to others") {
    CHECK(canonical_sysctl("net/ipv4/conf/all/forwarding") == "net/ipv4/ip_forward");
    CHECK(canonical_sysctl("net/ipv6/conf/all/forwarding") == "net/ipv6/conf/all/forwarding");
    using Paths = std::vector<std::string>;
    CHECK(spreading_over("net/ipv4/conf/eth0.5/forwarding") ==
          Paths{"net/ipv4/ip_forward", "net/ipv4/conf/default/forwarding"});
    CHECK(spreading_over("net/ipv6/conf/default/disable_ipv6") == Paths{"net/ipv6/conf/all/disable_ipv6"});
    CHECK(spreading_over("net/ipv6/conf/all/disable_ipv6") == Paths{});
    CHECK(spreading_over("net/ipv4/ip_default_ttl") == Paths{});
}
