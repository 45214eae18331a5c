// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/namespace/namespaces.h"
#include "kinds/firewall/way.h"
#include "kinds/kinds.h"

#include <chrono>

namespace partd {

using NamespaceKind = kernel::NamespaceType;
template <>
struct EnumWords<NamespaceKind> {
    static constexpr std::array<EnumWord<NamespaceKind>, 8> kWords = {{{"net", NamespaceKind::Net},
                                                                       {"mnt", NamespaceKind::Mnt},
                                                                       {"pid", NamespaceKind::Pid},
                                                                       {"uts", NamespaceKind::Uts},
                                                                       {"ipc", NamespaceKind::Ipc},
                                                                       {"user", NamespaceKind::User},
                                                                       {"cgroup", NamespaceKind::Cgroup},
                                                                       {"time", NamespaceKind::Time}}};
};

// A host name as hostname(7) wants it, at most 64 bytes (the kernel's limit).
struct HostName : std::string {
    using std::string::string;
    static std::optional<HostName> parse(std::string_view text);
    [[nodiscard]] const std::string& text() const { return *this; }
};
template <>
struct TextFormat<HostName> {
    static constexpr std::string_view
        kExpected =
            "a host name: 1 to 64 letters, digits, '-' and '.', not beginning or "
            "ending with '-' or '.'",
        kPattern = "^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?$";
};

// The policy for a partition that no file declares any more.
enum class OnRemove : std::uint8_t { Stop, Refuse, Keep };
template <>
struct EnumWords<OnRemove> {
    static constexpr std::array<EnumWord<OnRemove>, 3> kWords = {
        {{"stop", OnRemove::Stop}, {"refuse", OnRemove::Refuse}, {"keep", OnRemove::Keep}}};
};

// Whose namespaces a partition uses, instead of having its own.
struct Share {
    std::optional<Name> partition = {};
    std::vector<NamespaceKind> namespaces = {};
    bool operator==(const Share&) const = default;
};

// [partition.NAME]; as a resource, the processes that live in it and what is to become of them.
struct Partition {
    std::string name = {};
    std::string group = {};        // the cgroup its processes live in
    std::string isolation = {};    // the namespaces it has or shares: "net user pid"
    std::string stop_signal = {};  // of its PID 1; "": SIGTERM to all
    std::optional<std::string> description = {};
    std::optional<bool> enabled = {};
    std::vector<NamespaceKind> namespaces = {NamespaceKind::Net};
    std::optional<HostName> hostname = {};
    std::optional<HostName> domainname = {};
    Share share = {};
    std::optional<Name> extends = {};
    std::optional<std::int64_t> index = {};
    std::optional<Reach> reach = {};
    Admit admit = {};
    OnRemove on_remove = OnRemove::Stop;
    std::chrono::milliseconds stop_timeout{10'000};
    bool operator==(const Partition&) const = default;
    static const Table table;
};

extern const LiveKind kPartition;

// The policy for the processes in a partition's group on its removal; nullopt if the group is not a
// partition's.
std::optional<OnRemove> removal_policy(const kernel::Host& host, const std::string& group);

// True if it may open connections to everybody: the host passes packets on for all of them then.
bool reaches_any(const Partition& partition);

// Somebody has asked to stop it: until the next apply that wants it, its processes may be ended whatever
// on_remove says.
Result<> allow_stop(kernel::Host& host, const std::string& name);

// The partition of that name; nullptr when none is declared.
const DeclaredObject* find_partition(const Declared& declared, std::string_view name);
// True if the partition is declared and has a network namespace of its own.
bool has_netns(const Declared& declared, std::string_view name);

// Ends those that live in that namespace of a partition's, if it is there, which is to be replaced, as its
// on_remove says: "refuse" and "keep" are an error while there are some.
Result<> end_residents(ApplyContext& context, const std::string& name, NamespaceKind type);
// Whom that would end; nobody where on_remove forbids it.
Result<std::set<pid_t>> residents_to_end(ApplyContext& context, const std::string& name, NamespaceKind type);

}  // namespace partd
