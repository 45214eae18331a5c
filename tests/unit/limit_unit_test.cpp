// SPDX-License-Identifier: Apache-2.0
// Limits as properties of units. That the kernel then has the declared values is a matter of tests/system.

#include "kinds/cgroup/limit_unit.h"

#include "kernel/cgroup/units.h"
#include "kinds/cgroup/controls.h"

#include <catch2/catch.hpp>

using namespace partd;
using kernel::kUnitInfinity;
using kernel::UnitProperties;
using Devices = kernel::UnitProperty::Devices;

TEST_CASE("A group's unit is its last part, a scope stands beside it") {
    CHECK(kernel::unit_of("partd.slice") == "partd.slice");
    CHECK(kernel::unit_of("partd.slice/partd-batch.slice/partd-batch-crunch.slice") ==
          "partd-batch-crunch.slice");
    CHECK(kernel::scope_of("partd.slice/partd-a\\x2db.slice", "init") == "partd-a\\x2db-init.scope");
    CHECK(kernel::scope_of("partd.slice/partd-batch.slice/partd-batch-crunch.slice", "exec-17") ==
          "partd-batch-crunch-exec-17.scope");
}

TEST_CASE("Numbers are numbers, max is infinity") {
    CHECK(unit_properties("memory.max", "536870912") ==
          UnitProperties{{"MemoryMax", std::uint64_t{536870912}}});
    CHECK(unit_properties("memory.swap.max", "max") == UnitProperties{{"MemorySwapMax", kUnitInfinity}});
    CHECK(unit_properties("memory.low", "0") == UnitProperties{{"MemoryLow", std::uint64_t{0}}});
    CHECK(unit_properties("pids.max", "256") == UnitProperties{{"TasksMax", std::uint64_t{256}}});
    CHECK(unit_properties("io.weight", "") == UnitProperties{{"IOWeight", kUnitInfinity}});
}

TEST_CASE("A quota comes back from systemd's microseconds a second as it was") {
    CHECK(unit_properties("cpu.max", "50000 100000") ==
          UnitProperties{{"CPUQuotaPerSecUSec", std::uint64_t{500000}},
                         {"CPUQuotaPeriodUSec", std::uint64_t{100000}}});
    CHECK(
        unit_properties("cpu.max", "max 100000") ==
        UnitProperties{{"CPUQuotaPerSecUSec", kUnitInfinity}, {"CPUQuotaPeriodUSec", std::uint64_t{100000}}});
    for (const std::uint64_t period : {1000U, 33333U, 67890U, 100000U, 999999U, 1000000U}) {
        for (const std::uint64_t quota : {1000U, 1001U, 12345U, 33333U, 400001U}) {
            const auto properties =
                unit_properties("cpu.max", std::to_string(quota) + " " + std::to_string(period));
            REQUIRE(properties);
            // quota * period / USEC_PER_SEC, as cgroup_apply_cpu_quota() in systemd has it
            CHECK(std::get<std::uint64_t>(properties->at(0).value) * period / 1000000 == quota);
        }
    }
}

TEST_CASE("An idle group has no weight, and one that is not idle has one") {
    CHECK(cpu_weight_properties("200", "") == UnitProperties{{"CPUWeight", std::uint64_t{200}}});
    CHECK(cpu_weight_properties("200", "0") == UnitProperties{{"CPUWeight", std::uint64_t{200}}});
    CHECK(cpu_weight_properties("", "1") == UnitProperties{{"CPUWeight", std::uint64_t{0}}});
    CHECK(cpu_weight_properties("", "0") == UnitProperties{{"CPUWeight", std::uint64_t{100}}});
    CHECK(cpu_weight_properties("", "") == UnitProperties{{"CPUWeight", kUnitInfinity}});
}

TEST_CASE("Processors are bits, the lowest first") {
    const auto bits = [](const char* list) {
        return std::get<std::vector<std::uint8_t>>(unit_properties("cpuset.cpus", list)->at(0).value);
    };
    CHECK(bits("0") == std::vector<std::uint8_t>{1});
    CHECK(bits("0-3,8") == std::vector<std::uint8_t>{15, 1});
    CHECK(bits("17") == std::vector<std::uint8_t>{0, 0, 2});
    CHECK(bits("").empty());
    CHECK(unit_properties("cpuset.mems", "0")->at(0).name == "AllowedMemoryNodes");
}

TEST_CASE("Limits of devices replace those that were") {
    const auto properties =
        unit_properties("io.max", "device /dev/sda rbps 1048576 wiops max, device 8:16 rbps 5");
    REQUIRE(properties);
    CHECK(*properties ==
          UnitProperties{{"IOReadBandwidthMax", Devices()},
                         {"IOReadBandwidthMax", Devices{{"/dev/sda", 1048576}, {"/dev/block/8:16", 5}}},
                         {"IOWriteBandwidthMax", Devices()},
                         {"IOReadIOPSMax", Devices()},
                         {"IOWriteIOPSMax", Devices()},
                         {"IOWriteIOPSMax", Devices{{"/dev/sda", kUnitInfinity}}}});
    CHECK(unit_properties("io.max", "")->size() == 4);
}

TEST_CASE("What systemd has no property for is written by partd") {
    for (const char* key : {"memory.oom.group", "hugetlb.2MB.max", "freeze"}) {
        CHECK_FALSE(unit_properties(key, "1"));
    }
}
