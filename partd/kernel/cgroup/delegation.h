// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/cgroup/cgroups.h"

#include <optional>
#include <string>

namespace partd::kernel {

// A user and a group of the host's.
struct Ids {
    uid_t uid = 0;
    gid_t gid = 0;
    bool operator==(const Ids&) const = default;
    [[nodiscard]] std::string text() const;  // "1000:1000"
    static std::optional<Ids> parse(std::string_view text);
};

// The attribute of a control group that says to whom it was handed.
inline constexpr char kDelegationMark[] = "trusted.partd.delegate";

// Hands a control group to somebody, who may then make groups below it and move processes between those, but
// not change its limits (Documentation/admin-guide/cgroup-v2.rst, "Delegation"; cgroup2 only). Where systemd
// is the writer, slices stay its own, and the delegated scopes below are handed over: those that are there,
// and those that are made later.
Result<> delegate(const Cgroups& cgroups, const std::string& group, const Ids& ids);
// Takes it back.
Result<> end_delegation(const Cgroups& cgroups, const std::string& group);
// To whom delegate() gave it; nullopt when it did not, or when it was taken back.
std::optional<Ids> delegation_of(const Cgroups& cgroups, const std::string& group);
// To whom it is handed as the files say; nullopt when they don't agree.
std::optional<Ids> delegated_to(const Cgroups& cgroups, const std::string& group);

}  // namespace partd::kernel
