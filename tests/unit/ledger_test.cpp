#include "reconcile/ledger_file.h"

#include <catch2/catch.hpp>

using namespace partd;

namespace {

Ledger sample() {
    Ledger ledger;
    const auto since = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'795'327'790'771));
    ledger.entries[{"netns", "web"}] = {.identity = "4212", .owner = "web", .since = since};
    ledger.entries[{"veth", "web/eth0"}] = {.identity = "4212:2 4211:7", .owner = "web", .since = since};
    ledger.entries[{"sysctl", "web net.ipv4.ip_forward"}] = {
        .identity = "was:0", .owner = "web", .since = since};
    return ledger;
}

}  // namespace

TEST_CASE("A ledger comes back as it was") {
    const Ledger read = decode_ledger(encode_ledger(sample(), "boot"), "boot");
    CHECK_FALSE(read.lost);
    CHECK(read.entries == sample().entries);
}

TEST_CASE("A ledger cut at any byte, or of another boot, is known to be lost") {
    const std::string text = encode_ledger(sample(), "boot");
    for (std::size_t size = 0; size < text.size(); ++size) {
        INFO(size);
        CHECK(decode_ledger(text.substr(0, size), "boot").lost);
    }
    for (std::size_t at = 0; at < text.size(); ++at) {
        std::string damaged = text;
        damaged[at] = static_cast<char>(damaged[at] ^ 1);
        INFO(at);
        CHECK(decode_ledger(damaged, "boot").lost);
    }
    CHECK(decode_ledger(text, "another").lost);
}
