// SPDX-License-Identifier: Apache-2.0
#include "doctor/doctor.h"

#include "base/text.h"
#include "doctor/checks.h"
#include "kernel/file/files.h"
#include "kinds/firewall/gate.h"
#include "kinds/partition.h"

#include <algorithm>
#include <array>
#include <functional>

#include <fmt/format.h>

namespace partd {

std::string_view severity_name(Severity severity) {
    static constexpr std::array<std::string_view, 4> kNames = {"ok", "note", "warning", "problem"};
    return kNames[static_cast<std::size_t>(severity)];
}

namespace doctor {

CheckContext examine(kernel::Host& host, const Desired& desired, const Ledger& ledger) {
    CheckContext patient{.host = host,
                         .desired = desired,
                         .ledger = ledger,
                         .programs = kernel::running_programs(),
                         .through_host = {},
                         .links = {},
                         .routes = kernel::routed_networks()};
    // The host's own list may be one of a few links alone.
    if (auto socket = kernel::NetlinkSocket::open(NETLINK_ROUTE)) {
        patient.links = kernel::list_links(*socket).value_or(std::vector<kernel::Link>());
    }
    for (const std::string& name : partitions_through_host(patient.declared())) {
        if (find_partition(patient.declared(), name) != nullptr) {  // not "outside"
            patient.through_host.insert(name);
        }
    }
    return patient;
}

std::optional<std::string> sysctl(const std::string& path) {
    const auto text = kernel::read_file("/proc/sys/" + path);
    return text ? std::optional(std::string(trim(*text))) : std::nullopt;
}

std::optional<std::uint64_t> sysctl_number(const std::string& path) {
    const auto text = sysctl(path);
    return text ? parse_number(*text) : std::nullopt;
}

Remedy set_sysctls(std::string_view name, const std::vector<std::pair<std::string, std::string>>& values) {
    const std::string file = fmt::format("/etc/sysctl.d/90-partd-{}.conf", name);
    std::string lines;
    std::string former;
    for (const auto& [key, value] : values) {
        lines += fmt::format(" '{} = {}'", key, value);
        std::string path = key;
        std::ranges::replace(path, '.', '/');
        if (const auto now = sysctl(path)) {
            former += fmt::format(" {}={}", key, *now);
        }
    }
    return {.run = fmt::format("mkdir -p /etc/sysctl.d && printf '%s\\n'{} > {} && sysctl -q -p {}", lines,
                               file, file),
            .undo = fmt::format("rm -f {}{}", file, former.empty() ? "" : " && sysctl -q -w" + former)};
}

Finding about(Finding finding, std::string partition, Source at) {
    finding.partition = std::move(partition);
    finding.at = std::move(at);
    return finding;
}

Finding about(const CheckContext& patient, Finding finding, const std::set<std::string>& partitions) {
    if (partitions.size() != 1) {
        return finding;
    }
    const DeclaredObject* partition = find_partition(patient.declared(), *partitions.begin());
    return about(std::move(finding), *partitions.begin(),
                 partition == nullptr ? Source() : partition->source);
}

std::string name_some(const CheckContext& patient, const std::set<std::string>& partitions) {
    constexpr std::size_t kMost = 3;
    std::vector<std::string> named;
    for (const std::string& name : partitions) {
        if (named.size() == kMost) {
            break;
        }
        const DeclaredObject* partition = find_partition(patient.declared(), name);
        named.push_back(partition == nullptr ? name
                                             : fmt::format("{} ({})", name, partition->source.place()));
    }
    const std::size_t more = partitions.size() - named.size();
    return join(named, ", ") + (more == 0 ? "" : fmt::format(" and {} more", more));
}

}  // namespace doctor

std::vector<Finding> diagnose(kernel::Host& host, const Desired& desired, const Ledger& ledger) {
    const doctor::CheckContext patient = doctor::examine(host, desired, ledger);
    std::vector<Finding> all;
    for (const auto checks :
         {doctor::file_checks(), doctor::kernel_checks(), doctor::cgroup_checks(), doctor::network_checks(),
          doctor::declared_checks(), doctor::traffic_checks(), doctor::program_checks()}) {
        for (const doctor::Check& check : checks) {
            auto found = check.look(patient);
            if (found.empty()) {
                found.push_back(
                    {.severity = Severity::Ok, .what = std::string(check.well), .why = {}, .fix = {}});
            }
            std::ranges::move(found, std::back_inserter(all));
        }
    }
    std::ranges::stable_sort(all, std::ranges::greater(), &Finding::severity);
    return all;
}

}  // namespace partd
