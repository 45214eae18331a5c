// SPDX-License-Identifier: Apache-2.0
// Control groups: which controllers there are, and whether the declared limits can be had.
#include "kinds/cgroup/cgroup.h"

#include "base/text.h"
#include "doctor/checks.h"
#include "kinds/cgroup/v1.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd::doctor {

namespace {

using Version = kernel::Cgroups::Version;
constexpr std::array kControllers = {"cpu", "cpuset", "io", "memory", "pids"};

std::vector<std::string> controllers(const CheckContext& patient, Version version) {
    std::vector<std::string> found;
    std::ranges::copy_if(kControllers, std::back_inserter(found), [&](const char* controller) {
        return patient.host.cgroups().version(controller) == version;
    });
    return found;
}

Findings hierarchy(const CheckContext& patient) {
    const bool v2 = !patient.host.cgroups().home("").empty();
    const auto old = controllers(patient, Version::V1);
    if (old.empty()) {
        return v2 ? Findings()
                  : Findings{
                        {.severity = Severity::Problem,
                         .what = "no control groups are mounted",
                         .why = "every partition has one, and without it its processes cannot be found "
                                "or limited",
                         .fix = "mount the hierarchy of version 2",
                         .remedy = {"mount -t cgroup2 cgroup2 /sys/fs/cgroup", "umount /sys/fs/cgroup"}}};
    }
    return {{.severity = Severity::Note,
             .what = fmt::format("{} of control groups: version 1", join(old, ", ")),
             .why = "limits are translated; memory.min, low, high, swap.max and oom.group cannot be",
             .fix = "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line, for version "
                    "2 alone"}};
}

Findings missing_controllers(const CheckContext& patient) {
    const auto missing = controllers(patient, Version::None);
    if (missing.empty()) {
        return {};
    }
    return {{.severity = Severity::Note,
             .what = fmt::format("this host has no controller {}", join(missing, ", ")),
             .why = "limits of these cannot be declared",
             .fix = "look at cgroup_disable= on the kernel's command line, at "
                    "/sys/fs/cgroup/cgroup.subtree_control, and, in a "
                    "container, at what the host gives it"}};
}

Findings declared_limits(const CheckContext& patient) {
    Findings found;
    for (const Resource& resource : patient.desired.compiled.desired.all()) {
        if (!resource.spec.is<Limit>()) {
            continue;
        }
        const Limit& limit = resource.spec.as<Limit>();
        const CgroupFiles files = files_of(limit.key, limit.value, patient.host.cgroups());
        if (!files.problem.empty()) {
            found.push_back({.severity = Severity::Problem,
                             .what = fmt::format("{}: {} of {}: {}", resource.source.place(), limit.key,
                                                 resource.owner, files.problem),
                             .why = "the limit will not hold; the rest of the partition stands",
                             .fix = "leave it out, or give the host what it needs",
                             .partition = resource.owner,
                             .at = resource.source});
        }
    }
    return found;
}

constexpr Check kCgroupChecks[] = {
    {"control groups of version 2", hierarchy},
    {"the controllers cpu, cpuset, io, memory and pids are there", missing_controllers},
    {"every declared limit can be had", declared_limits},
};

}  // namespace

std::span<const Check> cgroup_checks() {
    return kCgroupChecks;
}

}  // namespace partd::doctor
