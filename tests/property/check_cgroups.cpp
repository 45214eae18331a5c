// SPDX-License-Identifier: Apache-2.0
// Control groups and limits, as the kernel has them.

#include "../kernel/support/host_view.h"
#include "check_parts.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

namespace partd::test {
namespace {

namespace fs = std::filesystem;

std::string escaped(const std::string& name) {
    std::string all;
    for (const char each : name) {
        all += each == '-' ? "\\x2d" : std::string(1, each);
    }
    return all;
}

/// "partd.slice/partd-s0.slice/partd-s0-web.slice": each name begins with that of the one above it.
std::string cgroup_of(const Host& host, const std::string& name, const Limits& limits) {
    std::string above = "partd.slice";
    std::string stem = "partd-";
    if (!limits.parent.empty()) {
        const auto parent = std::ranges::find(host.slices, limits.parent, &Slice::name);
        above = cgroup_of(host, parent->name, parent->limits);
        const auto leaf = above.substr(above.rfind('/') + 1);
        stem = leaf.substr(0, leaf.size() - std::string(".slice").size()) + "-";
    }
    return above + "/" + stem + escaped(name) + ".slice";
}

void compare_limits(const std::string& cgroup, const Limits& limits, const CgroupRoot& cgroups,
                    const Doubt& doubt, Differences& differences) {
    for (const auto& [key, value] : limits.numbers) {
        auto found = cgroups.limit(cgroup, key).value_or(-1);
        const auto* hierarchy = cgroups.of(key.substr(0, key.find('.')));
        if (key == "cpu.weight" && hierarchy != nullptr && hierarchy->version == 1) {
            found = (found * 100 + 512) / 1024;  // of shares, 1024 by default
        }
        if (found != value) {
            differences.push_back(cgroup + " has " + key + " = " + std::to_string(found) + " instead of " +
                                  std::to_string(value));
        }
    }
    constexpr std::int64_t kUnlimited = std::int64_t{1} << 60;
    for (const auto* key : {"memory.max", "pids.max"}) {
        const auto found = cgroups.limit(cgroup, key);
        if (!limits.numbers.contains(key) && !doubt.former_values &&
            found.value_or(kUnlimited) < kUnlimited) {
            differences.push_back(cgroup + " still has " + key + " = " + std::to_string(*found));
        }
    }
    const auto percent = cgroups.processor_percent(cgroup).value_or(0);
    const bool known = limits.cpu_percent != 0 || !doubt.former_values;
    if (known && std::abs(percent - limits.cpu_percent) > 0.1) {
        differences.push_back(cgroup + " has cpu.max " + std::to_string(percent) + " % instead of " +
                              std::to_string(limits.cpu_percent));
    }
}

}  // namespace

void compare_cgroups(const Host& host, Sandbox& sandbox, const Doubt& doubt, Differences& differences) {
    std::set<std::string> wanted;
    const auto want = [&](const std::string& name, const Limits& limits) {
        wanted.insert(cgroup_of(host, name, limits));
        compare_limits(cgroup_of(host, name, limits), limits, sandbox.cgroups(), doubt, differences);
    };
    for (const auto& slice : host.slices) {
        want(slice.name, slice.limits);
    }
    for (const auto& partition : host.partitions) {
        want(partition.name, partition.limits);
    }
    const auto* counted = sandbox.cgroups().of("");
    std::set<std::string> found;
    std::error_code absent;
    for (const auto& entry :
         fs::recursive_directory_iterator(counted->mount_point + "/partd.slice", absent)) {
        if (entry.is_directory() && entry.path().filename().string().starts_with("partd-")) {
            found.insert(fs::relative(entry.path(), counted->mount_point));
        }
    }
    compare("cgroup", wanted, found, differences);
}

}  // namespace partd::test
