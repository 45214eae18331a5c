// SPDX-License-Identifier: Apache-2.0
// Two readings of counters compared, and the tables that they are shown in.

#include "verbs/rates.h"

#include "verbs/summary.h"
#include "verbs/table.h"

#include <algorithm>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd;
using namespace partd::verbs;

namespace {

Value reading(const std::string& text) {
    return from_json(text).value();
}

const char* const kBefore = R"({"milliseconds": 10000, "readings": [
    {"name": "web", "kind": "partition", "cpu_seconds": 1.5, "memory": 1024, "read": 0, "written": 100,
     "processes": 2, "received": 1000, "sent": 0, "estimated": false},
    {"name": "db", "kind": "partition", "cpu_seconds": 9.0, "memory": 0, "read": 50, "written": 50,
     "processes": 1, "received": null, "sent": null, "estimated": true}]})";
const char* const kAfter = R"({"milliseconds": 12000, "readings": [
    {"name": "web", "kind": "partition", "cpu_seconds": 2.5, "memory": 2048, "read": 4096, "written": 100,
     "processes": 3, "received": 3000, "sent": 4000, "estimated": false},
    {"name": "db", "kind": "partition", "cpu_seconds": 8.0, "memory": 9, "read": 40, "written": 60,
     "processes": 1, "received": null, "sent": null, "estimated": true},
    {"name": "new", "kind": "slice", "cpu_seconds": 3, "memory": null, "read": null, "written": null,
     "processes": 0, "received": null, "sent": null, "estimated": false}]})";

std::vector<std::string> names(const std::vector<Rates>& all) {
    std::vector<std::string> names;
    std::ranges::transform(all, std::back_inserter(names), &Rates::name);
    return names;
}

}  // namespace

TEST_CASE("Rates: the difference of two readings, by the time between them") {
    const auto all = rates_between(reading(kBefore), reading(kAfter));
    REQUIRE(names(all) == std::vector<std::string>{"web", "db", "new"});
    CHECK(seconds_between(reading(kBefore), reading(kAfter)) == 2);
    CHECK(all[0].cpu == 50);
    CHECK(all[0].memory == 2048);
    CHECK(all[0].read == 2048);
    CHECK(all[0].written == 0);
    CHECK(all[0].received == 1000);
    CHECK(all[0].sent == 2000);
}

TEST_CASE("Rates: a counter that went back is 0, one that is new or not there has no rate") {
    const auto all = rates_between(reading(kBefore), reading(kAfter));
    CHECK(all[1].cpu == 0);
    CHECK(all[1].written == 5);
    CHECK_FALSE(all[1].received);
    CHECK(all[1].estimated);
    CHECK_FALSE(all[2].cpu);
    CHECK_FALSE(all[2].memory);
    // Nothing is known without time between them, or from an answer that is none.
    CHECK_FALSE(rates_between(reading(kAfter), reading(kAfter))[0].cpu);
    CHECK(rates_between(Value(), Value()).empty());
}

TEST_CASE("Rates: sorted by what is asked for, those alike by name") {
    auto all = rates_between(reading(kBefore), reading(kAfter));
    const auto sorted = [&](std::string_view by) {
        sort_rates(all, by);
        return names(all);
    };
    using Strings = std::vector<std::string>;
    CHECK(sorted("cpu") == Strings{"web", "db", "new"});
    CHECK(sorted("name") == Strings{"db", "new", "web"});
    CHECK(sorted("memory") == Strings{"web", "db", "new"});
    CHECK(sorted("io") == Strings{"web", "db", "new"});
    CHECK(sorted("net") == Strings{"web", "db", "new"});
    CHECK(sorted("processes") == Strings{"web", "db", "new"});
}

TEST_CASE("Rates: a line fits into 80 columns, whatever the figures") {
    std::vector<Rates> all = {{.name = std::string(64, 'n'),
                               .kind = "partition",
                               .cpu = 12345.6,
                               .memory = std::uint64_t{123} << 40U,
                               .processes = 123456,
                               .read = 1e12,
                               .written = 1023,
                               .received = 102399.0,
                               .sent = 3.0,
                               .estimated = true}};
    std::istringstream lines(rates_table(all, true));
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        INFO(line);
        CHECK(width_of(line) <= kScreen + 1);  // a processor time of more than 9,999 % pushes the rest
    }
    CHECK(count == 2);
    CHECK(rates_table(all, false).find("PARTITION") == std::string::npos);
}

TEST_CASE("Table: characters count, not bytes or colors") {
    CHECK(width_of("→ é") == 3);
    CHECK(width_of("\033[32mactive\033[0m") == 6);
    CHECK(width_of("\033[") == 0);
    CHECK(cut_to("grün", 4) == "grün");
    CHECK(cut_to("größer", 4) == "grö…");
    CHECK(cut_to("abc", 1) == "…");
    CHECK(cut_to("abc", 0).empty());
    TextTable table({"A", "LONG"});
    table.add({"\033[31mx\033[0m", "some words"});
    table.add({"xyz", "y"});
    table.shrink(1, 10);
    CHECK(table.text(true) == "A    LONG\n\033[31mx\033[0m    some…\nxyz  y\n");
}

TEST_CASE("Age: the largest unit, rounded down") {
    using namespace std::chrono_literals;
    CHECK(age_text(0s) == "0s");
    CHECK(age_text(59999ms) == "59s");
    CHECK(age_text(119s) == "1m");
    CHECK(age_text(23h + 59min) == "23h");
    CHECK(age_text(24h * 400) == "400d");
    CHECK(age_text(-5s) == "0s");
}
