// SPDX-License-Identifier: Apache-2.0
#include "kernel/session/privileges.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/session/account.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

constexpr std::array<std::pair<std::string_view, int>, 16> kResources = {{{"as", RLIMIT_AS},
                                                                          {"core", RLIMIT_CORE},
                                                                          {"cpu", RLIMIT_CPU},
                                                                          {"data", RLIMIT_DATA},
                                                                          {"fsize", RLIMIT_FSIZE},
                                                                          {"locks", RLIMIT_LOCKS},
                                                                          {"memlock", RLIMIT_MEMLOCK},
                                                                          {"msgqueue", RLIMIT_MSGQUEUE},
                                                                          {"nice", RLIMIT_NICE},
                                                                          {"nofile", RLIMIT_NOFILE},
                                                                          {"nproc", RLIMIT_NPROC},
                                                                          {"rss", RLIMIT_RSS},
                                                                          {"rtprio", RLIMIT_RTPRIO},
                                                                          {"rttime", RLIMIT_RTTIME},
                                                                          {"sigpending", RLIMIT_SIGPENDING},
                                                                          {"stack", RLIMIT_STACK}}};

// In the order of their numbers (linux/capability.h).
constexpr std::array<std::string_view, 41> kCapabilities = {"chown",
                                                            "dac_override",
                                                            "dac_read_search",
                                                            "fowner",
                                                            "fsetid",
                                                            "kill",
                                                            "setgid",
                                                            "setuid",
                                                            "setpcap",
                                                            "linux_immutable",
                                                            "net_bind_service",
                                                            "net_broadcast",
                                                            "net_admin",
                                                            "net_raw",
                                                            "ipc_lock",
                                                            "ipc_owner",
                                                            "sys_module",
                                                            "sys_rawio",
                                                            "sys_chroot",
                                                            "sys_ptrace",
                                                            "sys_pacct",
                                                            "sys_admin",
                                                            "sys_boot",
                                                            "sys_nice",
                                                            "sys_resource",
                                                            "sys_time",
                                                            "sys_tty_config",
                                                            "mknod",
                                                            "lease",
                                                            "audit_write",
                                                            "audit_control",
                                                            "setfcap",
                                                            "mac_override",
                                                            "mac_admin",
                                                            "syslog",
                                                            "wake_alarm",
                                                            "block_suspend",
                                                            "audit_read",
                                                            "perfmon",
                                                            "bpf",
                                                            "checkpoint_restore"};

std::optional<std::uint64_t> parse_bound(std::string_view text) {
    return text == "unlimited" ? std::optional(std::uint64_t{RLIM_INFINITY}) : parse_number(text);
}

std::string name_of(int resource) {
    const auto* found = std::ranges::find(kResources, resource, &std::pair<std::string_view, int>::second);
    return std::string(found == kResources.end() ? "?" : found->first);
}

Result<> set_limit(int resource, const rlimit& limit) {
    if (setrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) {
        return fail_errno(fmt::format("set the limit {}", name_of(resource)));
    }
    return {};
}

// capset(2) of this process: these and no others, also for what it starts.
Result<> hold_capabilities(std::uint64_t wanted) {
    constexpr unsigned kWord = 32;
    __user_cap_header_struct head{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const auto low = static_cast<std::uint32_t>(wanted);
    const auto high = static_cast<std::uint32_t>(wanted >> kWord);
    std::array<__user_cap_data_struct, 2> sets{{{.effective = low, .permitted = low, .inheritable = low},
                                                {.effective = high, .permitted = high, .inheritable = high}}};
    if (syscall(SYS_capset, &head, sets.data()) != 0) {
        return fail_errno("keep the capabilities");
    }
    return {};
}

bool has(std::uint64_t set, int capability) {
    return (set >> static_cast<unsigned>(capability) & 1U) != 0;
}

Result<> limit_capabilities(std::uint64_t wanted) {
    for (int each = 0; prctl(PR_CAPBSET_READ, each, 0, 0, 0) >= 0; ++each) {
        if (!has(wanted, each) && prctl(PR_CAPBSET_DROP, each, 0, 0, 0) != 0) {
            return fail_errno("give capabilities up");
        }
    }
    return {};
}

// Another user than root keeps capabilities only as ambient ones (capabilities(7)).
Result<> keep_ambient(std::uint64_t wanted) {
    PARTD_TRY(hold_capabilities(wanted));
    for (int each = 0; prctl(PR_CAPBSET_READ, each, 0, 0, 0) >= 0; ++each) {
        if (has(wanted, each) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, each, 0, 0) != 0) {
            return fail_errno("keep the capability " +
                              std::string(kCapabilities[static_cast<std::size_t>(each)]));
        }
    }
    return {};
}

}  // namespace

std::optional<ResourceLimit> parse_limit(std::string_view text) {
    const std::size_t colon = text.find(':');
    const auto soft = parse_bound(text.substr(0, colon));
    const auto hard = colon == std::string_view::npos ? soft : parse_bound(text.substr(colon + 1));
    return soft && hard && *soft <= *hard ? std::optional(ResourceLimit{*soft, *hard}) : std::nullopt;
}

std::optional<int> resource_number(std::string_view name) {
    const auto* found = std::ranges::find(kResources, name, &std::pair<std::string_view, int>::first);
    return found == kResources.end() ? std::nullopt : std::optional(found->second);
}

std::string resource_names() {
    std::vector<std::string> names;
    std::ranges::transform(kResources, std::back_inserter(names),
                           [](const auto& each) { return std::string(each.first); });
    return partd::join(names, ", ");
}

std::optional<int> capability_number(std::string_view name) {
    std::string plain;
    std::ranges::transform(name, std::back_inserter(plain), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    const std::string_view word = plain.starts_with("cap_") ? std::string_view(plain).substr(4) : plain;
    const auto* found = std::ranges::find(kCapabilities, word);
    return found == kCapabilities.end() ? std::nullopt
                                        : std::optional(static_cast<int>(found - kCapabilities.begin()));
}

Result<> raise_bounds(const Privileges& wanted) {
    const auto placed = [&](Result<> result) {
        return result ? std::move(result) : std::unexpected(std::move(result).error().placed(wanted.at));
    };
    if (wanted.nice && setpriority(PRIO_PROCESS, 0, *wanted.nice) != 0) {
        return placed(fail_errno(fmt::format("set nice to {}", *wanted.nice)));
    }
    if (wanted.oom_score_adj) {
        auto done = write_kernel_file("/proc/self/oom_score_adj", std::to_string(*wanted.oom_score_adj));
        if (!done) {
            return placed(std::move(done));
        }
    }
    for (const auto& [resource, limit] : wanted.limits) {
        rlimit own{};
        (void)getrlimit(static_cast<__rlimit_resource>(resource), &own);
        if (limit.hard > own.rlim_max) {
            own.rlim_max = limit.hard;
            if (auto done = placed(set_limit(resource, own)); !done) {
                return done;
            }
        }
    }
    return {};
}

Result<> give_up_rights(const Privileges& wanted, std::map<std::string, std::string>& environment) {
    std::optional<Account> account;
    if (!wanted.user.empty()) {
        auto found = find_account(wanted.user);
        if (!found) {
            return std::unexpected(std::move(found).error().placed(wanted.user_at));
        }
        account = std::move(*found);
        environment.try_emplace("HOME", account->home);
        environment.try_emplace("USER", account->name);
        environment.try_emplace("LOGNAME", account->name);
    }
    for (const auto& [resource, limit] : wanted.limits) {
        PARTD_TRY(set_limit(resource, {.rlim_cur = limit.soft, .rlim_max = limit.hard}));
    }
    if (wanted.capabilities) {
        PARTD_TRY(limit_capabilities(*wanted.capabilities));
    }
    if (account && account->uid != 0) {
        (void)prctl(PR_SET_KEEPCAPS, wanted.capabilities ? 1 : 0, 0, 0, 0);
    }
    if (account) {
        if (auto done = become_user(*account); !done) {
            return std::unexpected(std::move(done).error().placed(wanted.user_at));
        }
    }
    if (wanted.capabilities && account && account->uid != 0) {
        PARTD_TRY(keep_ambient(*wanted.capabilities));
    }
    if (wanted.no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return fail_errno("give up new privileges");
    }
    return {};
}

}  // namespace partd::kernel
