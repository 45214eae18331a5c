// SPDX-License-Identifier: Apache-2.0
#include "daemon/backoff.h"

#include <catch2/catch.hpp>

using namespace partd;
using namespace partd::daemon;
using namespace std::chrono_literals;

namespace {

Scope of(const std::string& owner) {
    return {.all = false, .owners = {owner}};
}

}  // namespace

TEST_CASE("What failed is left alone for twice as long each time, up to a minute") {
    Backoff backoff;
    Clock::time_point now{};
    auto delay = 250ms;
    for (int time = 0; time < 12; ++time) {
        backoff.failed("link a/eth0", of("a"), now);
        INFO(time);
        CHECK(backoff.held(now).contains("link a/eth0"));
        CHECK(backoff.next() == now + delay);
        bool fights = false;
        CHECK(backoff.due(now + delay - 1ms, fights).empty());
        now += delay;
        CHECK(backoff.due(now, fights).owners == std::set<std::string>{"a"});
        CHECK_FALSE(fights);
        CHECK_FALSE(backoff.held(now).contains("link a/eth0"));
        CHECK(backoff.next() == Clock::time_point::max());
        delay = std::min(delay * 2, 60'000ms);
    }
    backoff.forget();
    backoff.failed("link a/eth0", of("a"), now);
    CHECK(backoff.next() == now + 250ms);
}

TEST_CASE("A few repairs are no fight, five within ten seconds are") {
    Backoff backoff;
    Clock::time_point now{};
    SECTION("one every minute") {
        for (int time = 0; time < 20; ++time) {
            CHECK_FALSE(backoff.repaired("link a/eth0", of("a"), now += 60s));
        }
        CHECK(backoff.contested(now).empty());
    }
    SECTION("ten a second") {
        for (int time = 0; time < 4; ++time) {
            CHECK_FALSE(backoff.repaired("link a/eth0", of("a"), now += 100ms));
        }
        CHECK(backoff.repaired("link a/eth0", of("a"), now += 100ms));
        CHECK(backoff.contested(now) == std::set<std::string>{"a"});
        bool fights = false;
        CHECK_FALSE(backoff.due(now + 1s, fights).empty());
        CHECK(fights);
        CHECK(backoff.contested(now + 5min).empty());
    }
}
