// SPDX-License-Identifier: Apache-2.0
#include "kernel/clock.h"
#include "reconcile/ledger_file.h"

#include <catch2/catch.hpp>

using namespace partd;

namespace {

Ledger sample() {
    Ledger ledger;
    const auto since = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'795'327'790'771));
    ledger.set({"netns", "web"}, {.identity = "4212", .owner = "web", .since = since});
    ledger.set({"link", "web/eth0"}, {.identity = "4212:2 4211:7", .owner = "web", .since = since});
    ledger.set({"sysctl", "web net.ipv4.ip_forward"}, {.identity = "was:0", .owner = "web", .since = since});
    return ledger;
}

}  // namespace

TEST_CASE("A ledger comes back as it was") {
    const std::string text = encode_ledger(sample(), "boot");
    const auto read = decode_ledger(text, "boot", text.size());
    CHECK_FALSE(read.ledger.lost);
    CHECK(read.ledger == sample());
    CHECK(read.size == text.size());
}

TEST_CASE("Edits of a ledger come back, too") {
    std::string text = encode_ledger(sample(), "boot");
    std::string check = decode_ledger(text, "boot", 0).check;
    auto expected = sample();
    expected.set({"netns", "db"}, {.identity = "1", .owner = "db", .since = {}});
    expected.erase({"netns", "web"});
    text += encode_edits({{{"netns", "db"}, *expected.find({"netns", "db"})}}, check);
    const std::size_t middle = text.size();
    text += encode_edits({{{"netns", "web"}, std::nullopt}}, check);
    CHECK(decode_ledger(text, "boot", text.size()).ledger == expected);
    SECTION("what a killed writer left behind never took effect") {
        for (std::size_t size = middle; size < text.size(); ++size) {
            INFO(size);
            const auto read = decode_ledger(text.substr(0, size), "boot", middle);
            CHECK(read.size == middle);
            CHECK(read.ledger.find({"netns", "web"}) != nullptr);
        }
    }
    SECTION("a text shorter than it was known to be is lost") {
        for (std::size_t size = 0; size < text.size(); ++size) {
            INFO(size);
            CHECK(decode_ledger(text.substr(0, size), "boot", text.size()).ledger.lost);
        }
    }
}

TEST_CASE("A ledger read for some owners has what is theirs, whoever had it before") {
    auto ledger = sample();
    ledger.set({"netns", "db"}, {.identity = "1", .owner = "db", .since = {}});
    std::string text = encode_ledger(ledger, "boot");
    std::string check = decode_ledger(text, "boot", 0).check;
    text +=
        encode_edits({{{"link", "web/eth0"}, LedgerEntry{.identity = "4212:2", .owner = "db", .since = {}}},
                      {{"netns", "db"}, LedgerEntry{.identity = "2", .owner = "web", .since = {}}}},
                     check);
    const std::set<std::string> web = {"web"};
    const auto read = decode_ledger(text, "boot", text.size(), &web);
    CHECK_FALSE(read.ledger.lost);
    CHECK(read.size == text.size());
    CHECK(read.check == check);
    CHECK(read.ledger.find({"link", "web/eth0"}) == nullptr);
    REQUIRE(read.ledger.find({"netns", "db"}) != nullptr);
    CHECK(read.ledger.find({"netns", "db"})->identity == "2");
    CHECK(read.ledger.find({"sysctl", "web net.ipv4.ip_forward"}) != nullptr);
    text[text.size() / 2] = '\x01';
    CHECK(decode_ledger(text, "boot", text.size(), &web).ledger.lost);
}

TEST_CASE("A ledger cut or changed at any byte, or of another boot, is known to be lost") {
    const std::string text = encode_ledger(sample(), "boot");
    for (std::size_t size = 0; size < text.size(); ++size) {
        INFO(size);
        CHECK(decode_ledger(text.substr(0, size), "boot", 0).ledger.lost);
    }
    for (std::size_t at = 0; at < text.size(); ++at) {
        std::string damaged = text;
        damaged[at] = static_cast<char>(damaged[at] ^ 1);
        INFO(at);
        CHECK(decode_ledger(damaged, "boot", text.size()).ledger.lost);
    }
    CHECK(decode_ledger(text, "another", 0).ledger.lost);
}

TEST_CASE("A time beyond what the clock can say is none") {
    CHECK(kernel::parse_time("1795327790771"));
    CHECK(kernel::parse_time("9223372036854"));
    CHECK_FALSE(kernel::parse_time("9223372036855"));
    CHECK_FALSE(kernel::parse_time("18446744073709551615"));
    CHECK_FALSE(kernel::parse_time("soon"));
    // met before the checksum of its block is
    std::string text = encode_ledger(sample(), "boot");
    text.replace(text.find("1795327790771"), 13, "9795327790771");
    CHECK(decode_ledger(text, "boot", 0).ledger.lost);
}
