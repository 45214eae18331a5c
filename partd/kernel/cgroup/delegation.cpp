// SPDX-License-Identifier: Apache-2.0
#include "kernel/cgroup/delegation.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// The directories that change hands. Of a scope that systemd would write to itself, it says nothing.
std::vector<std::string> places(const Cgroups& cgroups, const std::string& group) {
    const std::string home = cgroups.home(group);
    if (cgroups.systemd() == nullptr) {
        return {home};
    }
    std::vector<std::string> all;
    for (const std::string& name : list_directory(home).value_or(std::vector<std::string>())) {
        const std::string path = fmt::format("{}/{}", home, name);
        if (name.ends_with(".scope") && get_xattr(path, "trusted.delegate") == "1") {
            all.push_back(path);
        }
    }
    return all;
}

// The directory, and what is written to make and fill groups below it: the kernel names those files.
std::vector<std::string> files_of(const std::string& directory) {
    std::vector<std::string> all = {directory};
    const std::string listed = read_file("/sys/kernel/cgroup/delegate").value_or("cgroup.procs");
    for (const std::string_view name : words(listed)) {
        if (const std::string path = fmt::format("{}/{}", directory, name); exists(path)) {
            all.push_back(path);
        }
    }
    return all;
}

Result<> hand_over(const Cgroups& cgroups, const std::string& group, const Ids& ids) {
    for (const std::string& directory : places(cgroups, group)) {
        for (const std::string& path : files_of(directory)) {
            if (lchown(path.c_str(), ids.uid, ids.gid) != 0 && errno != ENOENT) {
                return fail_errno(fmt::format("give {} to {}", path, ids.text()));
            }
        }
    }
    return {};
}

}  // namespace

std::string Ids::text() const {
    return fmt::format("{}:{}", uid, gid);
}

std::optional<Ids> Ids::parse(std::string_view text) {
    const auto parts = split(text, ':');
    const auto uid = parse_number(parts.front());
    const auto gid = parse_number(parts.back());
    constexpr std::uint64_t kMost = 0xffff'fffe;
    if (parts.size() != 2 || !uid || !gid || *uid > kMost || *gid > kMost) {
        return std::nullopt;
    }
    return Ids{static_cast<uid_t>(*uid), static_cast<gid_t>(*gid)};
}

Result<> delegate(const Cgroups& cgroups, const std::string& group, const Ids& ids) {
    if (!exists(cgroups.home(group) + "/cgroup.subtree_control")) {
        return fail(
            "cgroup v1 gives whoever may make groups all of its controller: mount cgroup2, or leave "
            "delegate out");
    }
    PARTD_TRY(set_xattr(cgroups.home(group), kDelegationMark, ids.text()));
    return hand_over(cgroups, group, ids);
}

Result<> end_delegation(const Cgroups& cgroups, const std::string& group) {
    PARTD_TRY(hand_over(cgroups, group, {}));
    remove_xattr(cgroups.home(group), kDelegationMark);
    return {};
}

std::optional<Ids> delegation_of(const Cgroups& cgroups, const std::string& group) {
    return Ids::parse(get_xattr(cgroups.home(group), kDelegationMark));
}

std::optional<Ids> delegated_to(const Cgroups& cgroups, const std::string& group) {
    const auto mark = delegation_of(cgroups, group);
    for (const std::string& directory : places(cgroups, group)) {
        for (const std::string& path : files_of(directory)) {
            struct stat st{};
            if (stat(path.c_str(), &st) == 0 && Ids{st.st_uid, st.st_gid} != mark) {
                return std::nullopt;
            }
        }
    }
    return mark;
}

}  // namespace partd::kernel
