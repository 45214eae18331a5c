// SPDX-License-Identifier: Apache-2.0
#include "kinds/cgroup/cgroup.h"

#include "kinds/cgroup/limit_text.h"
#include "kinds/cgroup/v1.h"

#include <catch2/catch.hpp>

using namespace partd;

TEST_CASE("Shares of processor time in the kernel's form") {
    CHECK(*CpuMax::parse("50%") == "50000 100000");
    CHECK(*CpuMax::parse("150%") == "150000 100000");
    CHECK(*CpuMax::parse("max") == "max 100000");
    CHECK(*CpuMax::parse("20000 50000") == "20000 50000");
    for (const char* wrong : {"", "0%", "50", "-5%", "10 100000", "50000 999", "50000 2000000", "1 2 3",
                              "50% 100000", "17592186044416 100000"}) {
        INFO(wrong);
        CHECK_FALSE(CpuMax::parse(wrong));
    }
}

TEST_CASE("Values that the kernel writes in its own way are no difference") {
    CHECK(same_cgroup_value("268435456\n", "268435456"));
    CHECK(same_cgroup_value("9223372036854771712\n", "-1"));
    CHECK(same_cgroup_value("8:0 rbps=1048576 wbps=max riops=max wiops=max\n", "8:0 rbps=1048576"));
    CHECK(same_cgroup_value("default 100\n8:0 200\n", "default 100"));
    CHECK_FALSE(same_cgroup_value("268435456\n", "4096"));
    CHECK_FALSE(same_cgroup_value("8:16 rbps=1048576\n", "8:0 rbps=1048576"));
}

TEST_CASE("A device without limits has no line") {
    CHECK(same_cgroup_value("", "8:0 rbps=max wbps=max riops=max wiops=max"));
    CHECK(same_cgroup_value("8:16 rbps=5 wbps=max riops=max wiops=max\n", "8:0 rbps=max wbps=max"));
    CHECK(same_cgroup_value("8:16 5\n", "8:0 0"));
    CHECK_FALSE(same_cgroup_value("", "8:0 rbps=5 wbps=max"));
    CHECK_FALSE(same_cgroup_value("8:0 5\n", "8:0 0"));
}

TEST_CASE("Limits as the kernel keeps them") {
    CHECK(kept_limit("hugetlb.2MB.max", "3145728") == "2097152");
    CHECK(kept_limit("hugetlb.1GB.max", "1") == "0");
    CHECK(kept_limit("hugetlb.64KB.max", "max") == "max");
    CHECK(kept_limit("memory.max", "9223372036854771712") == "max");
    CHECK(kept_limit("memory.max", "9223372036854767616") == "9223372036854767616");
    CHECK(kept_limit("memory.oom.group", "1") == "1");
    CHECK(kept_limit("cpu.max", "max 100000") == "max 100000");
    CHECK(kept_limit("io.max", "device /dev/a wiops 5000000000 rbps 7, device 8:0 riops 4294967294") ==
          "device /dev/a rbps 7 wbps max riops max wiops max, "
          "device 8:0 rbps max wbps max riops 4294967294 wiops max");
}

TEST_CASE("Every limit has a value to go back to") {
    for (const Field& field : Limits::table.fields) {
        if (find_control(field.name) != nullptr && !field.name.starts_with("cpuset.") &&
            field.name != "io.max") {
            INFO(field.name);
            CHECK_FALSE(find_control(field.name)->initial.empty());
        }
    }
}

TEST_CASE("Limits are shown as files write them") {
    CHECK(with_units("memory.max", "67108864") == "64M");
    CHECK(with_units("memory.high", "1610612736") == "1536M");
    CHECK(with_units("memory.low", "1000") == "1000");
    CHECK(with_units("memory.max", "67108865") == "67108865");
    CHECK(with_units("memory.max", "max") == "max");
    CHECK(with_units("hugetlb.2MB.max", "4194304") == "4M");
    CHECK(with_units("pids.max", "1024") == "1024");
    CHECK(with_units("io.max", "device /dev/sda rbps 10485760 wbps max riops 2048 wiops max") ==
          "device /dev/sda rbps 10M wbps max riops 2048 wiops max");
    CHECK(with_units("cpu.max", "150000 100000") == "150%");
    CHECK(with_units("cpu.max", "33333 100000") == "33333 100000");
    CHECK(with_units("cpu.max", "max 100000") == "max 100000");
}
