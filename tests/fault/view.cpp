// SPDX-License-Identifier: Apache-2.0
#include "view.h"

#include "../kernel/support/machine.h"
#include "view_parts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace partd::fault {

std::string file_or_nothing(const std::string& path) {
    std::string text;
    std::array<char, 65536> buffer{};
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    // the kernel's own files come a page at a time
    for (ssize_t size = 0; (size = ::read(fd, buffer.data(), buffer.size())) > 0;) {
        text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    ::close(fd);
    return text;
}

std::string sorted(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    std::ranges::sort(lines);
    std::string all;
    for (const auto& line : lines) {
        all += line + "\n";
    }
    return all;
}

std::string replaced(const std::string& text, const std::regex& what, const char* by) {
    return std::regex_replace(text, what, by);
}

namespace {

namespace fs = std::filesystem;
using test::Json;

/// As the kernel lists them, without its numbers.
std::string mounts_of(const std::string& mountinfo) {
    static const std::regex kNumbers("^[0-9]+ [0-9]+ [0-9]+:[0-9]+ ");
    static const std::regex kNamespace("([a-z]+:)\\[[0-9]+\\]");
    static const std::regex kGroup("(shared|master):[0-9]+");
    static const std::regex kCgroup("partd-test-[0-9]+");
    static const std::regex kUuid(",uuid=[a-z]+");
    static const std::regex kSource(" - ([a-z0-9]+) [^ ]+ ");
    std::istringstream stream(file_or_nothing(mountinfo));
    std::string lines;
    for (std::string line; std::getline(stream, line);) {
        line = replaced(line, kNumbers, "");
        line = replaced(replaced(line, kGroup, "$1"), kNamespace, "$1");
        // how an overlay tells its files apart depends on who mounted its layer first; a source is only a
        // name
        line = replaced(replaced(line, kUuid, ""), kSource, " - $1 ");
        // ip-netns(8) leaves that one behind as well: taking it away could take what others just put there
        lines += line.starts_with("/netns /run/netns ") || line.starts_with("/partd/ns /run/partd/ns ")
                     ? ""
                     : replaced(line, kCgroup, "CGROUP") + "\n";
    }
    return sorted(lines);
}

/// Type, mode and owner of all below, with the content of small files.
std::string tree(const std::string& top) {
    std::string lines;
    std::error_code absent;
    for (auto entry = fs::recursive_directory_iterator(top, absent);
         entry != fs::recursive_directory_iterator(); entry.increment(absent)) {
        const std::string path = entry->path();
        struct stat status{};
        // nsfs
        if (::lstat(path.c_str(), &status) != 0) {
            continue;
        }
        if (test::is_namespace(path)) {
            lines += path + " namespace\n";
            continue;
        }
        if (top == "/run/partd/ns" && S_ISDIR(status.st_mode)) {
            continue;  // goes with the last pin
        }
        std::array<char, 64> what{};
        std::snprintf(what.data(), what.size(), " %o %u:%u ", status.st_mode, status.st_uid, status.st_gid);
        lines += path + what.data() +
                 (S_ISREG(status.st_mode)
                      ? Json(file_or_nothing(path)).dump(-1, ' ', true, Json::error_handler_t::replace)
                      : "") +
                 "\n";
    }
    return sorted(lines);
}

/// Which objects partd holds for its own, as its file says after all edits.
std::string ledger() {
    std::map<std::string, std::string> entries;
    std::istringstream stream(file_or_nothing("/run/partd/ledger"));
    for (std::string line; std::getline(stream, line);) {
        std::istringstream fields(line);
        std::string action;
        std::string kind;
        std::string name;
        std::string owner;
        std::string since;
        std::string identity;
        std::getline(std::getline(std::getline(fields, action, '\t'), kind, '\t'), name, '\t');
        std::getline(std::getline(std::getline(fields, owner, '\t'), since, '\t'), identity, '\t');
        if (action == "+") {
            entries[kind + " " + name] = owner + (identity.empty() ? " (intended)" : "");
        } else if (action == "-") {
            entries.erase(kind + " " + name);
        }
    }
    entries.erase("host netns");  // which namespace is the host stays known
    std::string lines;
    for (const auto& [name, owner] : entries) {
        lines += name + " of " + owner + "\n";
    }
    return lines;
}

std::string attributes(const std::string& path) {
    static const std::regex kNumber("[0-9]{4,}");
    std::array<char, 8192> names{};
    std::array<char, 8192> value{};
    const auto size = ::listxattr(path.c_str(), names.data(), names.size());
    std::string lines;
    for (const char* name = names.data(); name < names.data() + size; name += std::strlen(name) + 1) {
        const auto length = ::getxattr(path.c_str(), name, value.data(), value.size());
        const std::string text(value.data(), length < 0 ? 0 : static_cast<std::size_t>(length));
        lines += path + " " + name + "=" + replaced(text, kNumber, "N") + "\n";
    }
    return lines;
}

std::string commands_in(const std::string& cgroup) {
    std::istringstream stream(file_or_nothing(cgroup + "/cgroup.procs"));
    std::vector<std::string> names;
    for (pid_t pid = 0; stream >> pid;) {
        names.push_back(test::comm_of(pid));
    }
    std::ranges::sort(names);
    std::string all;
    for (const auto& name : names) {
        all += " " + name;
    }
    return all;
}

std::string cgroups(test::Sandbox& sandbox) {
    std::string lines;
    for (const auto& hierarchy : sandbox.cgroups().hierarchies()) {
        std::error_code absent;
        for (auto entry = fs::recursive_directory_iterator(hierarchy.mount_point, absent);
             entry != fs::recursive_directory_iterator(); entry.increment(absent)) {
            if (!entry->is_directory(absent)) {
                continue;
            }
            const std::string path = entry->path();
            lines += path + commands_in(path) + "\n" + attributes(path);
            for (const char* file :
                 {"cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.idle", "memory.limit_in_bytes",
                  "memory.soft_limit_in_bytes", "pids.max", "cpuset.cpus", "cpuset.mems",
                  "freezer.self_freezing", "cgroup.freeze", "cpu.weight", "cpu.max", "memory.max",
                  "memory.high", "memory.low", "cgroup.subtree_control"}) {
                const std::string value = file_or_nothing(path + "/" + file);
                lines += value.empty() ? "" : path + " " + file + "=" + value + "\n";
            }
        }
    }
    return sorted(lines);
}

/// Adds the processes left running, with the kernel's view of each.
void add_processes(test::Snapshot& all) {
    static const std::regex kCgroup("partd-test-[0-9]+");
    std::istringstream stream(test::orphans());
    std::multiset<std::string> processes;  // whatever their order
    for (std::string line; std::getline(stream, line);) {
        std::string lines;
        const auto blank = line.find(' ');
        const std::string pid = line.substr(0, blank);
        const std::string proc = "/proc/" + pid;
        lines += line.substr(blank) + "\n" + mounts_of(proc + "/mountinfo");
        for (const char* file :
             {"/uid_map", "/gid_map", "/timens_offsets", "/cgroup", "/limits", "/oom_score_adj"}) {
            lines += file + 1 + std::string(": ") +
                     replaced(file_or_nothing(proc + file), kCgroup, "CGROUP") + "\n";
        }
        std::istringstream status(file_or_nothing(proc + "/status"));
        for (std::string field; std::getline(status, field);) {
            lines += field.starts_with("Cap") || field.starts_with("Uid") || field.starts_with("Seccomp:") ||
                             field.starts_with("NoNewPrivs") || field.starts_with("Groups")
                         ? field + "\n"
                         : "";
        }
        processes.insert(lines);
    }
    for (const auto& each : processes) {
        all["processes"] += each;
    }
}

/// Host names in the uts namespaces.
std::string host_names() {
    std::string lines;
    const int before = ::open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
    std::error_code absent;
    for (const auto& entry : fs::directory_iterator("/run/partd/ns", absent)) {
        const std::string path = entry.path().string() + "/uts";
        const int uts = test::is_namespace(path) ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : -1;
        if (uts >= 0 && ::setns(uts, CLONE_NEWUTS) == 0) {
            lines += path + " " + file_or_nothing("/proc/sys/kernel/hostname") +
                     file_or_nothing("/proc/sys/kernel/domainname");
            test::require_call(::setns(before, CLONE_NEWUTS) == 0, "back to the host's uts");
        }
        ::close(uts);
    }
    ::close(before);
    return sorted(lines);
}

}  // namespace

test::Snapshot view_of(test::Sandbox& sandbox) {
    test::Snapshot all;
    add_networks(all);
    all["mounts"] = mounts_of("/proc/self/mountinfo");
    all["pins"] = tree("/run/partd/ns");
    all["ledger"] = ledger();
    // No files: a header with the sum of nothing.
    const std::string accepted = file_or_nothing("/run/partd/accepted");
    all["accepted"] = accepted.starts_with("partd-files 1 cbf29ce484222325") ? "" : accepted;
    all["/etc/netns"] = tree("/etc/netns");
    all["/var/lib/partd/layers"] = tree("/var/lib/partd/layers");
    all["subids"] = file_or_nothing("/var/lib/partd/subids");
    all["/srv"] = tree("/srv/machines");
    all["cgroups"] = cgroups(sandbox);
    all["host names"] = host_names();
    add_processes(all);
    return all;
}

std::string difference(const test::Snapshot& before, const test::Snapshot& after) {
    std::map<std::string, std::map<std::string, int>> balance;
    const auto count = [&](const test::Snapshot& side, int sign) {
        for (const auto& [topic, text] : side) {
            std::istringstream stream(text);
            for (std::string line; std::getline(stream, line);) {
                balance[topic][line] += sign;
            }
        }
    };
    count(before, -1);
    count(after, 1);
    std::string all;
    for (const auto& [topic, lines] : balance) {
        std::string changed;
        for (const auto& [line, times] : lines) {
            changed += times == 0 ? "" : (times < 0 ? "- " : "+ ") + line + "\n";
        }
        all += changed.empty() ? "" : topic + ":\n" + changed;
    }
    return all;
}

}  // namespace partd::fault
