// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"
#include "sandbox.h"

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

namespace fs = std::filesystem;

constexpr const char* kGroup = "partd.slice/partd-own.slice";

/// A partition with users of its own, its group delegated to them or not.
std::string own(bool delegated) {
    const std::string map = " = [{ inside = 0, outside = 1000000, count = 65536 }]\n";
    return "[partition.own]\nnamespaces = [\"user\", \"pid\", \"cgroup\"]\n[partition.own.user]\nuid_map" +
           map + "gid_map" + map + "[partition.own.cgroup]\ndelegate = " + (delegated ? "true" : "false") +
           "\n";
}

/// The group's directory in cgroup v2; none where a machine has only v1.
std::string directory(Sandbox& sandbox) {
    for (const auto& place : sandbox.cgroups().places(kGroup)) {
        if (fs::exists(place + "/cgroup.subtree_control")) {
            return place;
        }
    }
    return {};
}

std::string owner_of(const std::string& path) {
    return output({"stat", "-c", "%u:%g", path});
}

/// Runs a command as root of the partition's users, outside.
int as_inner_root(Arguments command) {
    Arguments words = {"setpriv", "--reuid=1000000", "--regid=1000000", "--clear-groups"};
    words.insert(words.end(), command.begin(), command.end());
    return run(words).code;
}

}  // namespace

TEST_CASE("Delegation: its root makes groups, and nobody else", "[cgroup][delegation]") {
    Sandbox sandbox;
    sandbox.write_config("own.toml", own(true));
    sandbox.apply();
    const std::string group = directory(sandbox);
    if (group.empty()) {
        PARTD_CANNOT_RUN("no cgroup2 is mounted");
    }
    CHECK(owner_of(group) == "1000000:1000000\n");
    CHECK(owner_of(group + "/cgroup.procs") == "1000000:1000000\n");
    CHECK(owner_of(group + "/cgroup.freeze") == "0:0\n");
    CHECK(as_inner_root({"mkdir", group + "/below"}) == 0);
    CHECK(as_inner_root({"mkdir", group + "/../beside"}) != 0);

    SECTION("a second look finds nothing to do") {
        CHECK(sandbox.partctl({"diff"}).code == 0);
    }
    SECTION("what somebody changes is put back") {
        run({"chown", "5:5", group + "/cgroup.procs"});
        const auto plan = sandbox.partctl({"diff"});
        INFO(plan.text());
        CHECK(plan.code == 1);
        CHECK(plan.out.find("~ delegation") != std::string::npos);
        sandbox.apply();
        CHECK(owner_of(group + "/cgroup.procs") == "1000000:1000000\n");
    }
    SECTION("it is taken back") {
        sandbox.write_config("own.toml", own(false));
        sandbox.apply();
        CHECK(owner_of(group) == "0:0\n");
        CHECK(as_inner_root({"mkdir", group + "/again"}) != 0);
        CHECK(sandbox.partctl({"diff"}).code == 0);
    }
    SECTION("the partition goes with the groups that were made in it") {
        CHECK(as_inner_root({"mkdir", group + "/below/deeper"}) == 0);
        sandbox.remove_config("own.toml");
        REQUIRE(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
        CHECK_FALSE(fs::exists(group));
    }
}

TEST_CASE("Delegation: of a slice it is to root", "[cgroup][delegation]") {
    Sandbox sandbox;
    sandbox.write_config("s.toml", "[slice.s]\ndelegate = true\n");
    sandbox.apply();
    CHECK(sandbox.partctl({"diff"}).code == 0);
    sandbox.remove_config("s.toml");
    CHECK(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
}
