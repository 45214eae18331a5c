// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <filesystem>
#include <optional>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

namespace fs = std::filesystem;
constexpr const char* kCgroup = "partd.slice/partd-k.slice";

/// Text of a control file of the cgroup, from whichever of the names this machine has.
std::optional<std::string> control(Sandbox& sandbox, const std::string& v2, const std::string& v1) {
    for (const auto& place : sandbox.cgroups().places(kCgroup)) {
        for (const auto& name : {v2, v1}) {
            if (fs::exists(place + "/" + name)) {
                return read_file(place + "/" + name);
            }
        }
    }
    return std::nullopt;
}

/// "254:0" of the first whole disk, with its /dev name.
std::optional<std::pair<std::string, std::string>> disk() {
    std::error_code absent;
    for (const auto& entry : fs::directory_iterator("/sys/block", absent)) {
        const auto name = entry.path().filename().string();
        if (!name.starts_with("loop") && !name.starts_with("ram") && fs::exists("/dev/" + name)) {
            auto number = read_file(entry.path() / "dev");
            number.pop_back();
            return std::pair("/dev/" + name, number);
        }
    }
    return std::nullopt;
}

/// Applies one key, and that a second look finds nothing to do.
void apply_key(Sandbox& sandbox, const std::string& line) {
    sandbox.write_config("k.toml", "[slice.k]\n" + line + "\n");
    sandbox.apply();
}

}  // namespace

TEST_CASE("cgroup keys: cpu.max in percent and in the kernel's words", "[cgroup][keys]") {
    Sandbox sandbox;
    if (sandbox.cgroups().of("cpu") == nullptr) {
        PARTD_CANNOT_RUN("no hierarchy has the cpu controller");
    }
    apply_key(sandbox, "cpu.max = \"150%\"");
    CHECK(sandbox.cgroups().processor_percent(kCgroup) == Approx(150));
    apply_key(sandbox, "cpu.max = \"20000 50000\"");
    CHECK(sandbox.cgroups().processor_percent(kCgroup) == Approx(40));
    apply_key(sandbox, "cpu.max = \"max\"");
    CHECK_FALSE(sandbox.cgroups().processor_percent(kCgroup).has_value());
}

TEST_CASE("cgroup keys: cpu.idle", "[cgroup][keys]") {
    Sandbox sandbox;
    if (sandbox.cgroups().of("cpu") == nullptr) {
        PARTD_CANNOT_RUN("no hierarchy has the cpu controller");
    }
    apply_key(sandbox, "cpu.idle = true");
    CHECK(control(sandbox, "cpu.idle", "cpu.idle") == "1\n");
    apply_key(sandbox, "cpu.weight = 50");
    CHECK(control(sandbox, "cpu.idle", "cpu.idle") == "0\n");
}

TEST_CASE("cgroup keys: the memory controller's", "[cgroup][keys]") {
    Sandbox sandbox;
    const auto* memory = sandbox.cgroups().of("memory");
    if (memory == nullptr) {
        PARTD_CANNOT_RUN("no hierarchy has the memory controller");
    }
    SECTION("max as a number of bytes") {
        apply_key(sandbox, "memory.max = 67108864");
        CHECK(sandbox.cgroups().limit(kCgroup, "memory.max") == 64 << 20);
    }
    SECTION("what v1 has no word for fails with the key's name, the rest stands") {
        if (memory->version == 2) {
            apply_key(sandbox, "memory.low = \"16M\"\nmemory.high = \"32M\"\nmemory.oom.group = true");
            CHECK(control(sandbox, "memory.low", "") == "16777216\n");
            CHECK(control(sandbox, "memory.high", "") == "33554432\n");
            CHECK(control(sandbox, "memory.oom.group", "") == "1\n");
            return;
        }
        sandbox.write_config("k.toml", "[slice.k]\nmemory.max = \"64M\"\nmemory.high = \"32M\"\n");
        const auto applied = sandbox.partctl_json({"apply"});
        INFO(plan_text(applied));
        REQUIRE(applied.at("failed").size() == 1);
        CHECK(applied.at("failed").at(0).at("name").get<std::string>().find("memory.high") !=
              std::string::npos);
        CHECK(applied.at("failed").at(0).at("line") == 3);
        CHECK(sandbox.cgroups().limit(kCgroup, "memory.max") == 64 << 20);
    }
}

TEST_CASE("cgroup keys: cpuset.cpus and cpuset.mems", "[cgroup][keys]") {
    Sandbox sandbox;
    if (sandbox.cgroups().of("cpuset") == nullptr) {
        PARTD_CANNOT_RUN("no hierarchy has the cpuset controller");
    }
    apply_key(sandbox, "cpuset.cpus = \"0\"\ncpuset.mems = \"0\"");
    CHECK(control(sandbox, "cpuset.cpus", "cpuset.cpus") == "0\n");
    CHECK(control(sandbox, "cpuset.mems", "cpuset.mems") == "0\n");
}

TEST_CASE("cgroup keys: io.max", "[cgroup][keys]") {
    Sandbox sandbox;
    const auto device = disk();
    const auto* v1 = sandbox.cgroups().of("blkio");
    if (!device || (v1 == nullptr && sandbox.cgroups().of("io") == nullptr)) {
        PARTD_CANNOT_RUN("no disk, or no hierarchy has the io or blkio controller");
    }
    apply_key(sandbox, "io.max = [{ device = \"" + device->first + "\", rbps = \"10M\", wiops = 500 }]");
    const auto rate = control(sandbox, "io.max", "blkio.throttle.read_bps_device");
    REQUIRE(rate);
    INFO(*rate);
    CHECK(rate->find(device->second) != std::string::npos);
    CHECK(rate->find("10485760") != std::string::npos);
    const auto operations = control(sandbox, "io.max", "blkio.throttle.write_iops_device");
    CHECK(operations.value_or("").find("500") != std::string::npos);
    apply_key(sandbox, "pids.max = 100");
    CHECK(control(sandbox, "io.max", "blkio.throttle.read_bps_device").value_or("").find("10485760") ==
          std::string::npos);
}

TEST_CASE("cgroup keys: io.weight", "[cgroup][keys]") {
    Sandbox sandbox;
    sandbox.write_config("k.toml", "[slice.k]\nio.weight = 200\n");
    const auto applied = sandbox.partctl_json({"apply"});
    INFO(plan_text(applied));
    const auto here = control(sandbox, "io.weight", "blkio.bfq.weight");
    if (here) {
        CHECK(here->find("200") != std::string::npos);
        CHECK(sandbox.diff() == 0);
    } else {
        REQUIRE(applied.at("failed").size() == 1);
        CHECK(applied.at("failed").at(0).at("error").get<std::string>().find("io") != std::string::npos);
    }
}

TEST_CASE("cgroup keys: hugetlb", "[cgroup][keys]") {
    Sandbox sandbox;
    sandbox.write_config("k.toml", "[slice.k]\nhugetlb.2MB.max = \"8M\"\npids.max = 5\n");
    const auto applied = sandbox.partctl_json({"apply"});
    INFO(plan_text(applied));
    if (const auto here = control(sandbox, "hugetlb.2MB.max", "hugetlb.2MB.limit_in_bytes")) {
        CHECK(*here == "8388608\n");
        CHECK(sandbox.diff() == 0);
        return;
    }
    REQUIRE(applied.at("failed").size() == 1);
    CHECK(applied.at("failed").at(0).at("error").get<std::string>().find("hugetlb") != std::string::npos);
    CHECK(control(sandbox, "pids.max", "pids.max") == "5\n");
    PARTD_CANNOT_RUN("hugetlb is not handed to the test's cgroup; only the failure of the key was tried");
}

TEST_CASE("cgroup keys: what is not built yet is refused by name", "[cgroup][keys]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    for (const std::string line :
         {"devices = [\"/dev/null rwm\"]", "net.priority = 3", "match = [{ user = \"www-data\" }]"}) {
        sandbox.write_config("k.toml", "[slice.k]\npids.max = 5\n" + line + "\n");
        const auto applied = sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 3);
        CHECK(applied.err.find("k.toml:3:") != std::string::npos);
        CHECK(applied.err.find("not supported yet") != std::string::npos);
    }
    CHECK(difference(before, snapshot(sandbox)) == "");
}
