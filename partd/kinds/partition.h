#pragma once

#include "kinds/kinds.h"

#include <chrono>

namespace partd {

enum class NamespaceKind : std::uint8_t { Net, Mnt, Pid, Uts, Ipc, User, Cgroup, Time };
template <>
struct EnumWords<NamespaceKind> {
    static constexpr std::array<EnumWord<NamespaceKind>, 8> kWords = {
        {{"net", NamespaceKind::Net},
         {"mnt", NamespaceKind::Mnt, true},
         {"pid", NamespaceKind::Pid, true},
         {"uts", NamespaceKind::Uts, true},
         {"ipc", NamespaceKind::Ipc, true},
         {"user", NamespaceKind::User, true},
         {"cgroup", NamespaceKind::Cgroup, true},
         {"time", NamespaceKind::Time, true}}};
};

// What happens to a partition that no file declares any more.
enum class OnRemove : std::uint8_t { Stop, Refuse, Keep };
template <>
struct EnumWords<OnRemove> {
    static constexpr std::array<EnumWord<OnRemove>, 3> kWords = {
        {{"stop", OnRemove::Stop}, {"refuse", OnRemove::Refuse}, {"keep", OnRemove::Keep}}};
};

// [partition.NAME]; as a resource, the processes that live in it and what is to become of them.
struct Partition {
    std::string name = {};
    std::string group = {};  // the cgroup its processes live in
    std::optional<std::string> description = {};
    std::vector<NamespaceKind> namespaces = {NamespaceKind::Net};
    std::optional<Name> extends = {};
    std::optional<std::int64_t> index = {};
    std::optional<std::vector<Sourced<Name>>> reach = {};
    OnRemove on_remove = OnRemove::Stop;
    std::chrono::milliseconds stop_timeout{10'000};
    static const Table table;

    [[nodiscard]] bool has_netns() const;
};

extern const LiveKind kPartition;

// The partition of that name; nullptr when none is declared.
const DeclaredObject* find_partition(const Declared& declared, std::string_view name);
// Whether the partition is declared and has a network namespace of its own.
bool has_netns(const Declared& declared, std::string_view name);

}  // namespace partd
