// SPDX-License-Identifier: Apache-2.0
// The kernel: how old it is, what it may make, and how many.
#include "base/text.h"
#include "doctor/checks.h"
#include "kinds/link/interfaces.h"
#include "kinds/machine/rootfs.h"
#include "kinds/namespace/membership.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd::doctor {

Findings judge_kernel(std::string_view release, const KernelNeeds& needs) {
    struct Step {
        kernel::KernelRelease since;
        bool needed;
        Severity severity;
        const char* what;
        const char* why;
    };
    const std::array steps = {
        Step{{5, 6},
             needs.clocks,
             Severity::Problem,
             "time namespaces",
             "a partition with a clock of its own cannot be made"},
        Step{{5, 12},
             needs.mapped_root,
             Severity::Problem,
             "id-mapped mounts",
             "the files of a root directory cannot belong to the users of its user namespace"},
        Step{{5, 14},
             needs.any,
             Severity::Problem,
             "network cookies (SO_NETNS_COOKIE)",
             "partd knows its namespaces again by them, and can make none without"},
        Step{{5, 18},
             needs.any,
             Severity::Note,
             "marks on addresses (IFA_PROTO)",
             "partd knows its addresses by its ledger alone, which ends with /run"},
    };
    Findings found;
    for (const Step& step : steps) {
        if (step.needed && kernel::parse_release(release) < step.since) {
            found.push_back({.severity = step.severity,
                             .what = fmt::format("Linux {} has no {}", release, step.what),
                             .why = step.why,
                             .fix = fmt::format("boot Linux {}.{} or later; Debian 12 has 6.1",
                                                step.since.major, step.since.minor)});
        }
    }
    return found;
}

Findings judge_namespaces(std::string_view type, std::uint64_t wanted, std::uint64_t most) {
    if (wanted <= most) {
        return {};
    }
    return {{.severity = Severity::Problem,
             .what = fmt::format("user.max_{}_namespaces is {}, and {} are declared", type, most, wanted),
             .why = "the kernel refuses to make more (ENOSPC)",
             .fix = "a higher bound",
             .remedy = set_sysctls(fmt::format("{}-namespaces", type),
                                   {{fmt::format("user.max_{}_namespaces", type),
                                     std::to_string(std::max<std::uint64_t>(wanted * 4, 1024))}})}};
}

namespace {

std::uint64_t count_own(const CheckContext& patient, NamespaceKind type) {
    return static_cast<std::uint64_t>(
        std::ranges::count_if(patient.declared().all<Partition>(), [&](const DeclaredObject* partition) {
            return membership_of(patient.declared(), partition->owner).own.contains(type);
        }));
}

Findings age(const CheckContext& patient) {
    KernelNeeds needs{.any = !patient.declared().all<Partition>().empty(),
                      .clocks = count_own(patient, NamespaceKind::Time) > 0};
    for (const DeclaredObject* root : patient.declared().all<Rootfs>()) {
        needs.mapped_root |= membership_of(patient.declared(), root->owner).has(NamespaceKind::User);
    }
    return judge_kernel(kernel::kernel_release(), needs);
}

Findings namespaces(const CheckContext& patient) {
    Findings found;
    for (const NamespaceKind type : kernel::kNamespaceTypes) {
        const std::string_view name = kernel::namespace_name(type);
        if (const auto most = sysctl_number(fmt::format("user/max_{}_namespaces", name))) {
            std::ranges::move(judge_namespaces(name, count_own(patient, type), *most),
                              std::back_inserter(found));
        }
    }
    return found;
}

// partd itself has all rights: what lives in a partition has not.
Findings nested_users(const CheckContext& patient) {
    const bool users = count_own(patient, NamespaceKind::User) > 0;
    Findings found;
    for (const auto& [path, forbids] : {std::pair("kernel/unprivileged_userns_clone", "0"),
                                        std::pair("kernel/apparmor_restrict_unprivileged_userns", "1")}) {
        if (users && sysctl(path) == forbids) {
            found.push_back({.severity = Severity::Note,
                             .what = fmt::format("/proc/sys/{} is {}", path, forbids),
                             .why = "partd makes user namespaces all the same; ordinary users inside of "
                                    "partitions cannot (browsers, "
                                    "rootless containers)",
                             .fix = "set it the other way in /etc/sysctl.d, if they should"});
        }
    }
    return found;
}

Findings watches(const CheckContext& patient) {
    constexpr std::uint64_t kFewInstances = 16;
    const std::uint64_t partitions = patient.declared().all<Partition>().size();
    const std::uint64_t wanted = 64 + partitions * (patient.host.cgroups().directories("").size() + 1);
    Findings found;
    if (const auto most = sysctl_number("fs/inotify/max_user_instances"); most && *most < kFewInstances) {
        found.push_back(
            {.severity = Severity::Warning,
             .what = fmt::format("fs.inotify.max_user_instances is {}", *most),
             .why = "all programs of root share them; without one, partd does not see files change",
             .fix = "a higher bound",
             .remedy = set_sysctls("inotify-instances", {{"fs.inotify.max_user_instances", "1024"}})});
    }
    if (const auto most = sysctl_number("fs/inotify/max_user_watches"); most && *most < wanted * 2) {
        found.push_back(
            {.severity = *most < wanted ? Severity::Problem : Severity::Warning,
             .what = fmt::format("fs.inotify.max_user_watches is {}; partd watches about {} directories",
                                 *most, wanted),
             .why = "what is not watched is mended only at the next resync",
             .fix = "a higher bound",
             .remedy = set_sysctls("inotify-watches",
                                   {{"fs.inotify.max_user_watches", std::to_string(wanted * 8)}})});
    }
    return found;
}

Findings descriptors(const CheckContext& patient) {
    const std::uint64_t wanted = 64 + patient.declared().all<Partition>().size() * 3;
    const std::uint64_t most = kernel::most_descriptors();
    if (wanted <= most) {
        return {};
    }
    return {{.severity = Severity::Problem,
             .what = fmt::format(
                 "at most {} files may be open (RLIMIT_NOFILE), and this many partitions take about {}", most,
                 wanted),
             .why = "partctl started here cannot look at all of them",
             .fix = fmt::format("ulimit -n {}; partd.service has LimitNOFILE=524288", wanted * 2)}};
}

Findings modules(const CheckContext& patient) {
    std::set<std::string> wanted;
    for (const DeclaredObject* link : declared_links(patient.declared())) {
        wanted.emplace(type_of(link->spec)->name);
        wanted.insert("nf_tables");
    }
    if (!patient.through_host.empty()) {
        wanted.merge(std::set<std::string>{"nf_conntrack", "nf_nat", "nft_chain_nat", "nft_ct"});
    }
    if (std::ranges::any_of(patient.declared().all<Rootfs>(), [](const DeclaredObject* root) {
            return root->spec.as<Rootfs>().overlay != Overlay::None;
        })) {
        wanted.insert("overlay");
    }
    const bool closed = sysctl("kernel/modules_disabled").value_or("0") == "1";
    Findings found;
    for (const std::string& name : wanted) {
        const auto state = kernel::module_state(name);
        const bool missing =
            state == kernel::Module::Missing || (state == kernel::Module::Loadable && closed);
        if (missing || state == kernel::Module::Loadable) {
            found.push_back(
                {.severity = missing ? Severity::Problem : Severity::Note,
                 .what = fmt::format("the kernel's module {} {}", name,
                                     state == kernel::Module::Missing ? "is not there"
                                     : missing
                                         ? "is not loaded, and none may be any more (kernel.modules_disabled)"
                                         : "is not loaded yet"),
                 .why = missing ? "what is declared needs it"
                                : "the kernel loads it by itself, from where partd runs or not at all",
                 .fix =
                     state == kernel::Module::Missing ? "install the kernel's modules, or boot another kernel"
                     : missing
                         ? fmt::format("put {} into /etc/modules-load.d and boot again", name)
                         : fmt::format("nothing; or modprobe {}, and a file in /etc/modules-load.d", name)});
        }
    }
    return found;
}

constexpr Check kKernelChecks[] = {
    {"the kernel is new enough for what is declared", age},
    {"so many namespaces may be made", namespaces},
    {"programs in user namespaces may make more of them", nested_users},
    {"inotify has instances and watches enough", watches},
    {"files enough may be open", descriptors},
    {"the kernel's modules are there", modules},
};

}  // namespace

std::span<const Check> kernel_checks() {
    return kKernelChecks;
}

}  // namespace partd::doctor
