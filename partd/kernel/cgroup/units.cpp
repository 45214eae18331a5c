// SPDX-License-Identifier: Apache-2.0
#include "kernel/cgroup/units.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

constexpr char kDescription[] = "partd: ";

// A partition's default time between SIGTERM and SIGKILL (stop_timeout), used when the host shuts down.
constexpr std::uint64_t kStopMicroseconds = 10'000'000;

// True if the calling process is below the group. Its line in v2 is "0::/PATH".
bool is_below(const std::string& group) {
    const std::string text = read_file("/proc/self/cgroup").value_or("");
    for (const std::string_view line : split(text, '\n')) {
        if (line.starts_with("0::/" + group + "/")) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::string unit_of(const std::string& group) {
    return group.substr(group.rfind('/') + 1);
}

std::string scope_of(const std::string& group, const std::string& name) {
    const std::string slice = unit_of(group);
    return fmt::format("{}-{}.scope", slice.substr(0, slice.rfind('.')), name);
}

Result<> start_slice(Systemd& systemd, const std::string& group, const std::string& owner) {
    const std::string description =
        kDescription + (unit_of(group) == "partd.slice" ? "all partitions" : "slice of " + owner);
    auto started = systemd.start_transient(unit_of(group), {{"Description", description}});
    // An administrator has a file or a drop-in for it: then it is that unit.
    return !started && started.error().code == EEXIST ? systemd.start(unit_of(group)) : std::move(started);
}

bool is_own_slice(Systemd& systemd, const std::string& group) {
    const auto unit = systemd.look(unit_of(group));
    return unit && unit->description.starts_with(kDescription);
}

Result<> enter_scope(Systemd& systemd, const std::string& group, const Scope& scope) {
    if (is_below(group)) {
        return {};
    }
    UnitProperties properties = {{"Description", fmt::format("partd: {} of {}", scope.name, unit_of(group))},
                                 {"Slice", unit_of(group)},
                                 {"CollectMode", "inactive-or-failed"},
                                 {"TimeoutStopUSec", kStopMicroseconds}};
    if (scope.delegated) {
        properties.push_back({"Delegate", true});
    }
    if (scope.hang_up) {
        properties.push_back({"SendSIGHUP", true});
    }
    // The one before may just be on its way out, or still hold what a command left behind.
    constexpr int kAttempts = 100;
    constexpr int kPatient = 50;
    constexpr useconds_t kPause = 20'000;
    Result<> started;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const std::string name =
            attempt < kPatient ? scope.name : fmt::format("{}-{}", scope.name, attempt - kPatient + 2);
        started = systemd.start_scope(scope_of(group, name), properties);
        if (started || started.error().code != EEXIST) {
            break;
        }
        usleep(attempt < kPatient ? kPause : 0);
    }
    return started;
}

}  // namespace partd::kernel
