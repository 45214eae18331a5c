// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <unistd.h>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

constexpr const char* kBatch = "partd.slice/partd-batch.slice";
constexpr const char* kCrunch = "partd.slice/partd-batch.slice/partd-batch-crunch.slice";
constexpr const char* kInteractive = "partd.slice/partd-interactive.slice";
constexpr int kKilled = 128 + 9;

/// The first controller of those that no hierarchy here has; nullptr when all are there.
const char* missing_of(Sandbox& sandbox, std::initializer_list<const char*> controllers) {
    for (const char* controller : controllers) {
        if (sandbox.cgroups().of(controller) == nullptr) {
            return controller;
        }
    }
    return nullptr;
}

/// v1 counts shares: 1024 are weight 100.
std::int64_t weight(Sandbox& sandbox, const char* cgroup) {
    const auto value = sandbox.cgroups().limit(cgroup, "cpu.weight").value_or(-1);
    return sandbox.cgroups().of("cpu")->version == 1 ? (value * 100 + 512) / 1024 : value;
}

}  // namespace

TEST_CASE("limits: slices as declared", "[limits][cgroup]") {
    Sandbox sandbox;
    if (const char* missing = missing_of(sandbox, {"cpu", "cpuset", "memory", "pids"})) {
        PARTD_CANNOT_RUN(std::string("no hierarchy has the controller ") + missing);
    }
    sandbox.example("limits");
    sandbox.apply();
    const auto& cgroups = sandbox.cgroups();
    CHECK(weight(sandbox, kBatch) == 10);
    CHECK(cgroups.processor_percent(kBatch) == Approx(100));
    CHECK(cgroups.limit(kBatch, "memory.max") == 128 << 20);
    CHECK(cgroups.limit(kBatch, "pids.max") == 64);
    CHECK(weight(sandbox, kInteractive) == 500);
    CHECK(cgroups.limit(kInteractive, "cpuset.cpus") == 0);
    CHECK(cgroups.limit(kCrunch, "memory.max") == 64 << 20);
    CHECK(cgroups.limit(kCrunch, "pids.max") == 16);
    CHECK_FALSE(cgroups.processor_percent(kCrunch).has_value());
    CHECK(attribute(cgroups.places(kCrunch).at(0), "trusted.partd").has_value());
}

TEST_CASE("limits: memory beyond memory.max ends the process", "[limits][cgroup]") {
    Sandbox sandbox;
    if (missing_of(sandbox, {"memory"}) != nullptr) {
        PARTD_CANNOT_RUN("no hierarchy has the memory controller");
    }
    sandbox.example("limits");
    sandbox.apply();
    const auto within =
        sandbox.partctl({"exec", "crunch", "--", this_program(), "--eat-memory", std::to_string(32 << 20)});
    INFO(within.text());
    CHECK(within.code == 0);
    const auto beyond =
        sandbox.partctl({"exec", "crunch", "--", this_program(), "--eat-memory", std::to_string(150 << 20)});
    INFO(beyond.text());
    CHECK(beyond.code == kKilled);
    CHECK(beyond.out.empty());
    // and nobody else
    CHECK(run({this_program(), "--eat-memory", std::to_string(150 << 20)}).code == 0);
}

TEST_CASE("limits: pids.max stops a process that forks", "[limits][cgroup]") {
    Sandbox sandbox;
    if (missing_of(sandbox, {"pids"}) != nullptr) {
        PARTD_CANNOT_RUN("no hierarchy has the pids controller");
    }
    sandbox.example("limits");
    sandbox.apply();
    const auto forked = sandbox.partctl({"exec", "crunch", "--", this_program(), "--fork", "40"});
    INFO(forked.text());
    CHECK(forked.code == 0);
    const auto made = std::stoi(forked.out);
    // partctl may itself stay there to pass signals on
    CHECK(made <= 15);
    CHECK(made >= 13);
}

TEST_CASE("limits: cpuset.cpus binds", "[limits][cgroup]") {
    Sandbox sandbox;
    if (missing_of(sandbox, {"cpuset"}) != nullptr) {
        PARTD_CANNOT_RUN("no hierarchy has the cpuset controller");
    }
    sandbox.write_config("bound.toml",
                         "[partition.bound]\nnamespaces = [\"net\"]\ncgroup.cpuset.cpus = \"0\"\n");
    sandbox.apply();
    const auto status =
        sandbox.partctl({"exec", "bound", "--", "grep", "Cpus_allowed_list", "/proc/self/status"});
    INFO(status.text());
    CHECK(status.out == "Cpus_allowed_list:\t0\n");
}

TEST_CASE("limits: an edit changes the file, a key removed lifts the limit", "[limits][cgroup][edit]") {
    Sandbox sandbox;
    if (missing_of(sandbox, {"memory", "pids"}) != nullptr) {
        PARTD_CANNOT_RUN("no hierarchy has the memory or the pids controller");
    }
    const auto& cgroups = sandbox.cgroups();
    constexpr const char* kCgroup = "partd.slice/partd-s.slice";
    sandbox.write_config("s.toml", "[slice.s]\npids.max = 10\nmemory.max = \"32M\"\n");
    sandbox.apply();
    CHECK(cgroups.limit(kCgroup, "pids.max") == 10);
    sandbox.write_config("s.toml", "[slice.s]\npids.max = 20\nmemory.max = \"32M\"\n");
    const auto plan = sandbox.partctl_json({"diff"});
    INFO(plan_text(plan));
    REQUIRE(plan.at("changes").size() == 1);
    CHECK(plan.at("changes").at(0).at("kind") == "limit");
    CHECK(plan.at("changes").at(0).at("action") == "update");
    sandbox.apply();
    CHECK(cgroups.limit(kCgroup, "pids.max") == 20);
    sandbox.write_config("s.toml", "[slice.s]\nmemory.max = \"32M\"\n");
    sandbox.apply();
    CHECK_FALSE(cgroups.limit(kCgroup, "pids.max").has_value());
    CHECK(cgroups.limit(kCgroup, "memory.max") == 32 << 20);
}

TEST_CASE("limits: freeze stops the partition's processes, and lets them go on", "[limits][cgroup]") {
    Sandbox sandbox;
    sandbox.write_config("f.toml", "[partition.f]\ncgroup.freeze = false\n");
    sandbox.apply();
    // counts into its output ten times a second
    Background counter(Arguments{PARTCTL, "exec", "f", "--", "sh", "-c",
                                 "i=0; while [ $i -lt 200 ]; do echo $i; i=$((i+1)); sleep 0.1; done"});
    REQUIRE(eventually([&] { return counter.written().find("2\n") != std::string::npos; }));
    sandbox.write_config("f.toml", "[partition.f]\ncgroup.freeze = true\n");
    sandbox.apply();
    ::usleep(200'000);
    const auto frozen_at = counter.written().size();
    ::usleep(500'000);
    CHECK(counter.written().size() == frozen_at);
    sandbox.write_config("f.toml", "[partition.f]\ncgroup.freeze = false\n");
    sandbox.apply();
    CHECK(eventually([&] { return counter.written().size() > frozen_at; }));
}

TEST_CASE("limits: a frozen partition can be removed", "[limits][cgroup][removal]") {
    Sandbox sandbox;
    sandbox.write_config("f.toml", "[partition.f]\nstop_timeout = \"1s\"\ncgroup.freeze = true\n");
    sandbox.apply();
    sandbox.write_config("f.toml", "[partition.f]\nstop_timeout = \"1s\"\ncgroup.freeze = false\n");
    sandbox.apply();
    Background sleeper(Arguments{PARTCTL, "exec", "f", "--", "sleep", "60"});
    REQUIRE(eventually([&] { return !sandbox.cgroups().processes("partd.slice/partd-f.slice").empty(); }));
    sandbox.write_config("f.toml", "[partition.f]\nstop_timeout = \"1s\"\ncgroup.freeze = true\n");
    sandbox.apply();
    sandbox.remove_config("f.toml");
    sandbox.apply();
    CHECK(sleeper.wait(3s) != -1);
    CHECK(sandbox.cgroups().places("partd.slice").empty());
}

TEST_CASE("limits: a partition moved below another slice", "[limits][cgroup][edit]") {
    Sandbox sandbox;
    sandbox.example("limits");
    sandbox.apply();
    auto text = read_file("/etc/partd/limits.toml");
    text.replace(text.find("parent = \"batch\""), 16, "parent = \"interactive\"");
    sandbox.write_config("limits.toml", text);
    sandbox.apply();
    CHECK(sandbox.cgroups().places(kCrunch).empty());
    CHECK(sandbox.cgroups().limit("partd.slice/partd-interactive.slice/partd-interactive-crunch.slice",
                                  "pids.max") == 16);
}

TEST_CASE("limits: a name with a dash is escaped as systemd does", "[limits][cgroup][names]") {
    Sandbox sandbox;
    sandbox.write_config("w.toml", "[partition.web-1]\ncgroup.pids.max = 9\n");
    sandbox.apply();
    CHECK(sandbox.cgroups().limit("partd.slice/partd-web\\x2d1.slice", "pids.max") == 9);
}

TEST_CASE("limits: a controller that is missing fails its key, the rest stands",
          "[limits][cgroup][failure]") {
    Sandbox sandbox;
    if (!sandbox.cgroups().hide("pids")) {
        PARTD_CANNOT_RUN("the pids controller is not on a v1 hierarchy of its own, so it cannot be hidden");
    }
    sandbox.example("blue-green");
    const auto applied = sandbox.partctl_json({"apply"});
    INFO(plan_text(applied));
    REQUIRE(applied.at("failed").size() == 2);
    for (const auto& failed : applied.at("failed")) {
        CHECK(failed.at("kind") == "limit");
        CHECK(failed.at("name").get<std::string>().find("pids.max") != std::string::npos);
        CHECK(failed.at("error").get<std::string>().find("pids") != std::string::npos);
        CHECK(failed.at("file").get<std::string>().ends_with("blue-green.toml"));
        CHECK((failed.at("line") == 19 || failed.at("line") == 27));
    }
    CHECK(sandbox.partctl({"apply"}).code == 6);
    CHECK(sandbox.cgroups().limit("partd.slice/partd-blue.slice", "memory.max") == 256 << 20);
    CHECK(pings(sandbox.netns("blue"), "10.10.0.2"));
}

TEST_CASE("limits: removed to the byte", "[limits][cgroup][removal]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    sandbox.example("limits");
    sandbox.apply();
    sandbox.remove_config("limits.toml");
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}
