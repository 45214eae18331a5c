// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kernel/cgroup/cgroups.h"
#include "kernel/cgroup/delegation.h"
#include "kernel/cgroup/tree.h"
#include "kernel/file/files.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

// Membership and resource usage of control groups.
namespace partd::kernel {

namespace {

// Calls `each` with the path below that directory ("" is itself) and the processes of each group.
Result<> for_members(const std::string& path,
                     const std::function<void(const std::string&, std::set<pid_t>)>& each) {
    const auto top = open_directory(path);
    if (!top) {
        return top.error().code == ENOENT ? Result<>() : std::unexpected(top.error());
    }
    auto own = processes_in(top->get());
    if (!own) {
        return std::unexpected(std::move(own).error().wrap(path));
    }
    each("", std::move(*own));
    if (!has_directories(path)) {
        return {};
    }
    Result<> read;
    PARTD_TRY(for_groups_below(path, [&](const InnerGroup& group) {
        auto inner = processes_in(group.directory);
        if (!inner) {
            read = std::unexpected(std::move(inner).error().wrap(path + "/" + printable(group.path)));
            return false;
        }
        each(group.path, std::move(*inner));
        return true;
    }));
    return read;
}

Result<> collect_processes(const std::string& path, std::set<pid_t>& found) {
    return for_members(path, [&](const std::string&, std::set<pid_t> pids) { found.merge(pids); });
}

// The sum of the numbers behind that word on all lines: "8:0 rbytes=12 wbytes=3", "8:0 Read 12".
std::uint64_t sum_behind(const std::string& text, std::string_view word) {
    std::uint64_t sum = 0;
    for (const std::string_view line : split(text, '\n')) {
        const auto parts = words(line);
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const auto number = parts[i].starts_with(word) ? parts[i].substr(word.size())
                                : i > 0 && parts[i - 1] == word.substr(0, word.size() - 1) ? parts[i]
                                                                                           : "";
            sum += parse_number(number).value_or(0);
        }
    }
    return sum;
}

// Moves the calling process.
Result<> move_here(const std::vector<std::string>& directories) {
    for (const std::string& path : directories) {
        PARTD_TRY(write_kernel_file(path + "/cgroup.procs", "0"));
    }
    return {};
}

// Moves the calling process into the group. If the delegatee enabled controllers for groups below, the group
// may not hold processes ("no internal processes", cgroups(7)): the caller enters a sibling leaf, partd-exec.
Result<> enter_group(std::vector<std::string> directories) {
    auto moved = move_here(directories);
    if (moved || moved.error().code != EBUSY) {
        return moved;
    }
    const auto controllers = read_file(directories.front() + "/cgroup.subtree_control");
    if (trim(controllers.value_or("")).empty()) {
        return moved;
    }
    directories.front() += "/partd-exec";
    if (const int code = make_group(directories.front()); code != 0 && code != EEXIST) {
        return fail(code, "create " + directories.front());
    }
    return move_here(directories);
}

}  // namespace

Result<std::set<pid_t>> Cgroups::processes(const std::string& group) const {
    std::set<pid_t> found;
    PARTD_TRY(collect_processes(home(group), found));
    found.erase(0);  // processes of an outer pid namespace
    return found;
}

Result<std::set<pid_t>> Cgroups::processes_anywhere(const std::string& group) const {
    std::set<pid_t> found;
    for (const std::string& path : directories(group)) {
        PARTD_TRY(collect_processes(path, found));
    }
    found.erase(0);
    return found;
}

Result<std::vector<GroupMembers>> Cgroups::members_below(const std::string& group) const {
    std::vector<GroupMembers> all;
    PARTD_TRY(for_members(home(group), [&](const std::string& path, std::set<pid_t> pids) {
        pids.erase(0);
        all.push_back({path.empty() ? group : group + "/" + path, std::move(pids)});
    }));
    return all;
}

Meant Cgroups::members(const std::string& group) const {
    return [this, group](const std::set<pid_t>&) { return processes_anywhere(group); };
}

Result<> Cgroups::join(const std::string& group, const Scope& scope) const {
    if (group.empty()) {
        return fail("its control group is gone");
    }
    if (frozen(group)) {
        return fail("it is frozen, and so would be what enters it: partctl thaw it first");
    }
    if (systemd_ == nullptr) {
        return enter_group(directories(group));
    }
    // The caller may be a child of the process that has the connection.
    Systemd systemd(root_);
    const auto ids = delegation_of(*this, group);
    Scope wanted = scope;
    wanted.delegated = scope.delegated || ids;
    PARTD_TRY(enter_scope(systemd, group, wanted));
    return ids ? delegate(*this, group, *ids) : Result<>();
}

Result<> Cgroups::touch(const std::string& group) const {
    if (group.empty()) {
        return fail("its control group is gone");
    }
    auto moved = move_here(directories(group));
    if (!moved && moved.error().code == EBUSY) {
        return fail(EBUSY, fmt::format("enter {} for a moment: units run in it; stop those that systemctl "
                                       "status {} shows",
                                       home(group), unit_of(group)));
    }
    return moved;
}

bool Cgroups::kill(const std::string& group) const {
    return write_kernel_file(home(group) + "/cgroup.kill", "1").has_value();
}

Result<> Cgroups::freeze(const std::string& group, bool frozen) const {
    if (!unified_.empty()) {
        return write_kernel_file(home(group) + "/cgroup.freeze", frozen ? "1" : "0");
    }
    return write_kernel_file(home(group) + "/freezer.state", frozen ? "FROZEN" : "THAWED");
}

bool Cgroups::frozen(const std::string& group) const {
    const auto is_frozen = [&](const std::string& each) {
        const auto text = read_file(home(each) + (unified_.empty() ? "/freezer.state" : "/cgroup.freeze"));
        return text && trim(*text) != "0" && trim(*text) != "THAWED";
    };
    return std::ranges::any_of(path_down(group), is_frozen);
}

std::optional<std::uint64_t> Cgroups::memory(const std::string& group) const {
    const Version where = version("memory");
    const char* file = where == Version::V2 ? "/memory.current" : "/memory.usage_in_bytes";
    const auto text =
        where == Version::None ? Result<std::string>(fail("")) : read_file(directory("memory", group) + file);
    return text ? parse_number(trim(*text)) : std::nullopt;
}

CgroupUse Cgroups::use(const std::string& group) const {
    CgroupUse use{.memory = memory(group), .processes = processes(group).value_or(std::set<pid_t>()).size()};
    if (!unified_.empty()) {
        const std::string text = read_file(unified_ + "/" + group + "/cpu.stat").value_or("");
        const auto parts = words(std::string_view(text).substr(0, text.find('\n')));
        const auto used =
            parts.size() == 2 && parts[0] == "usage_usec" ? parse_number(parts[1]) : std::nullopt;
        use.cpu_seconds = used ? std::optional(static_cast<double>(*used) / 1e6) : std::nullopt;
    }
    if (const auto mount = v1_.find("cpuacct"); mount != v1_.end()) {
        const auto text = read_file(mount->second + "/" + group + "/cpuacct.usage");
        const auto used = text ? parse_number(trim(*text)) : std::nullopt;
        use.cpu_seconds = used ? std::optional(static_cast<double>(*used) / 1e9) : use.cpu_seconds;
    }
    const Version io = version("io");
    const char* file = io == Version::V2 ? "/io.stat" : "/blkio.throttle.io_service_bytes_recursive";
    const auto text =
        io == Version::None ? Result<std::string>(fail("")) : read_file(directory("io", group) + file);
    if (text) {
        use.read = sum_behind(*text, io == Version::V2 ? "rbytes=" : "Read=");
        use.written = sum_behind(*text, io == Version::V2 ? "wbytes=" : "Write=");
    }
    return use;
}

}  // namespace partd::kernel
