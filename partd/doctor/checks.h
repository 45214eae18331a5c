// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "doctor/doctor.h"
#include "kernel/netlink/links.h"
#include "kernel/survey.h"

#include <map>
#include <optional>
#include <set>

namespace partd::doctor {

using Findings = std::vector<Finding>;

// Input of the checks.
struct CheckContext {
    kernel::Host& host;
    const Desired& desired;
    const Ledger& ledger;
    std::map<std::string, pid_t> programs;  // that run beside us
    std::set<std::string> through_host;     // partitions whose packets the host forwards
    std::vector<kernel::Link> links;        // of the host
    std::vector<kernel::RoutedNetwork> routes;

    [[nodiscard]] const Declared& declared() const { return desired.compiled.declared; }
};
CheckContext examine(kernel::Host& host, const Desired& desired, const Ledger& ledger);

// A parameter below /proc/sys, as text or number; nullopt when this kernel or namespace has none.
std::optional<std::string> sysctl(const std::string& path);
std::optional<std::uint64_t> sysctl_number(const std::string& path);
// The commands that set these parameters now and for each boot, by a file /etc/sysctl.d/90-partd-NAME.conf,
// and those that set them to what they are now.
Remedy set_sysctls(std::string_view name, const std::vector<std::pair<std::string, std::string>>& values);
// The finding with what it concerns; of several partitions none is named.
Finding about(Finding finding, std::string partition, Source at);
Finding about(const CheckContext& patient, Finding finding, const std::set<std::string>& partitions);
// "web (/etc/partd/web.toml:3), db (…) and 2 more"; of declared partitions.
std::string name_some(const CheckContext& patient, const std::set<std::string>& partitions);

// A question, and what to say when nothing speaks against it.
struct Check {
    std::string_view well;
    Findings (*look)(const CheckContext& patient);
};
std::span<const Check> network_checks();
std::span<const Check> declared_checks();
std::span<const Check> traffic_checks();
std::span<const Check> cgroup_checks();
std::span<const Check> kernel_checks();
std::span<const Check> file_checks();
std::span<const Check> program_checks();

// The judgements that need no host.

// Declared features that need a newer kernel.
struct KernelNeeds {
    bool any = false;          // partitions at all
    bool clocks = false;       // time namespaces
    bool mapped_root = false;  // a root directory with users of its own
};
Findings judge_kernel(std::string_view release, const KernelNeeds& needs);
// How full the table of tracked connections is.
Findings judge_conntrack(std::uint64_t count, std::uint64_t most);
// Judges if the neighbours of that many links find room; `soft` and `hard` are gc_thresh2 and gc_thresh3.
Findings judge_neighbours(std::uint64_t links, std::uint64_t soft, std::uint64_t hard);
// Judges if that many namespaces of the type may be made (user.max_TYPE_namespaces).
Findings judge_namespaces(std::string_view type, std::uint64_t wanted, std::uint64_t most);

}  // namespace partd::doctor
