#include "view.h"

#include "../kernel/machine.h"

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
namespace {

namespace fs = std::filesystem;
using test::Json;

std::string file_or_nothing(const std::string& path) {
    std::string text(65536, '\0');
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    const auto size = ::read(fd, text.data(), text.size());
    ::close(fd);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
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

/// What the kernel numbers or draws anew each time.
void mask(Json& value) {
    for (const char* drawn : {"ifindex", "link_index", "link_netnsid", "expires", "tentative", "operstate",
                              "handle", "valid_life_time", "preferred_life_time", "permaddr"}) {
        if (value.is_object()) {
            value.erase(drawn);
        }
    }
    if (value.is_structured()) {
        for (auto& each : value) {
            mask(each);
        }
    }
}

/// Several JSON texts behind each other, as `ip -batch` prints them: a line for each element.
std::string lines_of_json(const std::string& text) {
    static const std::regex kMac("([0-9a-f]{2}:){5}[0-9a-f]{2}");
    static const std::regex kLinkLocal("fe80::[0-9a-f:]+");
    static const std::regex kNumber("\"if[0-9]+\"");
    std::istringstream stream(text);
    std::string lines;
    while (stream >> std::ws && !stream.eof()) {
        Json value;
        stream >> value;
        mask(value);
        for (const auto& each : value) {
            lines += each.dump() + "\n";
        }
    }
    return sorted(replaced(replaced(replaced(lines, kLinkLocal, "LINKLOCAL"), kMac, "MAC"), kNumber, "IF"));
}

/// Elements of a set have no order.
std::string sorted_elements(const std::string& ruleset) {
    static const std::string kBegin = "elements = {";
    std::string result;
    std::size_t at = 0;
    for (std::size_t begin = 0; (begin = ruleset.find(kBegin, at)) != std::string::npos;) {
        begin += kBegin.size();
        const auto end = ruleset.find('}', begin);
        result += ruleset.substr(at, begin - at);
        std::set<std::string> elements;
        std::istringstream parts(ruleset.substr(begin, end - begin));
        for (std::string part; std::getline(parts, part, ',');) {
            const auto first = part.find_first_not_of(" \t\n");
            elements.insert(part.substr(first, part.find_last_not_of(" \t\n") + 1 - first));
        }
        for (const auto& each : elements) {
            result += " " + each + ",";
        }
        at = end;
    }
    return result + ruleset.substr(at);
}

std::string switches() {
    std::string lines;
    const std::array<const char*, 2> families = {"/proc/sys/net/ipv4", "/proc/sys/net/ipv6"};
    for (const std::string family : families) {
        std::error_code absent;
        for (const auto& link : fs::directory_iterator(family + "/conf", absent)) {
            for (const char* name : {"forwarding", "accept_ra", "addr_gen_mode", "accept_dad", "rp_filter",
                                     "route_localnet", "disable_ipv6"}) {
                const std::string path = link.path().string() + "/" + name;
                lines += path + "=" + file_or_nothing(path) + "\n";
            }
        }
    }
    for (const char* path : {"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_default_ttl",
                             "/proc/sys/net/ipv4/ping_group_range"}) {
        lines += std::string(path) + "=" + file_or_nothing(path) + "\n";
    }
    return lines;
}

void add_network(test::Snapshot& all, const std::string& name, int netns) {
    const auto batch = [&](const char* family, std::string commands) {
        return test::output({"ip", family, "-d", "-j", "-batch", "-"},
                            {.input = std::move(commands), .netns = netns});
    };
    all["network " + name] = lines_of_json(batch("-4", "rule\nroute show table all\nnexthop\n") +
                                           batch("-6", "rule\nroute show table all\n") +
                                           test::output({"ip", "-d", "-j", "address"}, {.input = {}, .netns = netns}));
    all["nftables " + name] =
        sorted_elements(test::output({"nft", "-s", "list", "ruleset"}, {.input = {}, .netns = netns}));
    std::optional<test::InNetns> inside;
    if (netns >= 0) {
        inside.emplace(netns);
    }
    all["switches " + name] = sorted(switches());
}

void add_networks(test::Snapshot& all) {
    add_network(all, "(host)", -1);
    std::error_code absent;
    std::string names;
    for (const auto& entry : fs::directory_iterator("/run/netns", absent)) {
        const std::string path = entry.path();
        const bool is = test::is_namespace(path);
        names += path + (is ? " namespace\n" : " no namespace\n");
        if (is) {
            const test::Netns netns(path);
            add_network(all, entry.path().filename(), netns.fd());
        }
    }
    all["/run/netns"] = sorted(names);
}

/// As the kernel lists them, without its numbers.
std::string mounts_of(const std::string& mountinfo) {
    static const std::regex kNumbers("^[0-9]+ [0-9]+ [0-9]+:[0-9]+ ");
    static const std::regex kNamespace("([a-z]+:)\\[[0-9]+\\]");
    static const std::regex kGroup("(shared|master):[0-9]+");
    static const std::regex kCgroup("partd-test-[0-9]+");
    std::istringstream stream(file_or_nothing(mountinfo));
    std::string lines;
    for (std::string line; std::getline(stream, line);) {
        line = replaced(line, kNumbers, "");
        line = replaced(replaced(line, kGroup, "$1"), kNamespace, "$1");
        lines += replaced(line, kCgroup, "CGROUP") + "\n";
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

/// What is left running, with what the kernel says of each.
void add_processes(test::Snapshot& all) {
    static const std::regex kCgroup("partd-test-[0-9]+");
    std::istringstream stream(test::orphans());
    std::string lines;
    std::string word;
    for (std::string line; std::getline(stream, line);) {
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
    }
    all["processes"] = lines;
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
    all["accepted"] = file_or_nothing("/run/partd/accepted");
    all["/etc/netns"] = tree("/etc/netns");
    all["/var/lib/partd/layers"] = tree("/var/lib/partd/layers");
    all["subids"] = file_or_nothing("/var/lib/partd/subids");
    all["/srv"] = tree("/srv/machines");
    all["cgroups"] = cgroups(sandbox);
    all["host names"] = host_names();
    add_processes(all);
    return all;
}

}  // namespace partd::fault
