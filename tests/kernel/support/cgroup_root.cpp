// SPDX-License-Identifier: Apache-2.0
#include "cgroup_root.h"

#include "process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <sstream>

namespace partd::test {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kPrefix = "partd-test-";
constexpr int kRemovalRounds = 100;

struct V1Name {
    const char* v2;
    const char* v1;
};
constexpr std::array kV1Names{
    V1Name{"memory.max", "memory.limit_in_bytes"},
    V1Name{"memory.low", "memory.soft_limit_in_bytes"},
    V1Name{"cpu.weight", "cpu.shares"},
    V1Name{"cpu.max", "cpu.cfs_quota_us"},
};

std::set<std::string> words(const std::string& text, char separator) {
    std::istringstream stream(text);
    std::set<std::string> all;
    for (std::string word; std::getline(stream, word, separator);) {
        if (!word.empty() && word != "\n") {
            all.insert(word.substr(0, word.find('\n')));
        }
    }
    return all;
}

/// The mounts of cgroup file systems that this process sees: `id parent dev root target options - type source
/// super`.
std::vector<Hierarchy> mounted() {
    std::istringstream lines(read_file("/proc/self/mountinfo"));
    std::vector<Hierarchy> all;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string skipped;
        std::string target;
        fields >> skipped >> skipped >> skipped >> skipped >> target;
        std::istringstream rest(line.substr(line.find(" - ") + 3));
        std::string type;
        std::string options;
        rest >> type >> skipped >> options;
        if (type == "cgroup2") {
            all.push_back({target, 2, {}, {}});
        } else if (type == "cgroup") {
            auto controllers = words(options, ',');
            controllers.erase("rw");
            controllers.erase("xattr");
            all.push_back({target, 1, controllers, {}});
        }
    }
    return all;
}

/// Deepest first, so that each can be removed.
std::vector<std::string> directories(const std::string& top) {
    std::vector<std::string> all{top};
    std::error_code ignored;
    for (auto entry = fs::recursive_directory_iterator(top, ignored);
         entry != fs::recursive_directory_iterator(); entry.increment(ignored)) {
        if (entry->is_directory(ignored)) {
            all.push_back(entry->path());
        }
    }
    std::ranges::sort(all, std::greater<>());
    return all;
}

std::vector<pid_t> processes_in(const std::string& directory) {
    std::vector<pid_t> all;
    try {
        std::istringstream stream(read_file(directory + "/cgroup.procs"));
        for (pid_t pid = 0; stream >> pid;) {
            all.push_back(pid);
        }
    } catch (const std::runtime_error&) {
        // gone meanwhile
    }
    return all;
}

void thaw(const std::string& directory, int version) {
    try {
        if (version == 2) {
            write_file(directory + "/cgroup.freeze", "0");
        } else if (fs::exists(directory + "/freezer.state")) {
            write_file(directory + "/freezer.state", "THAWED");
        }
    } catch (const std::exception&) {
        // nothing to thaw
    }
}

void remove_tree(const Hierarchy& hierarchy) {
    for (int round = 0; round < kRemovalRounds && fs::exists(hierarchy.own_directory); ++round) {
        for (const auto& directory : directories(hierarchy.own_directory)) {
            for (const pid_t pid : processes_in(directory)) {
                ::kill(pid, SIGKILL);
                thaw(directory, hierarchy.version);
            }
            ::rmdir(directory.c_str());
        }
        if (fs::exists(hierarchy.own_directory)) {
            ::usleep(20'000);
        }
    }
    if (fs::exists(hierarchy.own_directory)) {
        std::cerr << "left behind: " << hierarchy.own_directory << '\n';
    }
}

/// After a crash: directories of tests that are no more and in which nothing lives.
void remove_stale(const Hierarchy& hierarchy) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(hierarchy.mount_point, ignored)) {
        const auto name = entry.path().filename().string();
        if (!name.starts_with(kPrefix) || !entry.is_directory(ignored)) {
            continue;
        }
        const auto pid = name.substr(kPrefix.size());
        const auto all = directories(entry.path());
        const bool lived_in =
            std::ranges::any_of(all, [](const auto& each) { return !processes_in(each).empty(); });
        if (!lived_in && !fs::exists("/proc/" + pid)) {
            std::ranges::for_each(all, [](const auto& each) { ::rmdir(each.c_str()); });
        }
    }
}

/// A v1 cpuset takes no process before it has processors and memory nodes.
void copy_cpuset(const Hierarchy& hierarchy) {
    for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
        write_file(hierarchy.own_directory + file, read_file(hierarchy.mount_point + file));
    }
}

/// A child joins the test's cgroups and makes a cgroup namespace there, which this process then enters while
/// it stays where it is: partctl and the kernel's files then name the test's root "/".
void enter_cgroup_namespace(const std::vector<Hierarchy>& hierarchies) {
    int ready[2];
    require_call(::pipe2(ready, O_CLOEXEC) == 0, "pipe2");
    Background child(std::function<int()>([&hierarchies, &ready] {
        for (const auto& hierarchy : hierarchies) {
            write_file(hierarchy.own_directory + "/cgroup.procs", "0");
        }
        require_call(::unshare(CLONE_NEWCGROUP) == 0, "unshare cgroup");
        require_call(::write(ready[1], "r", 1) == 1, "write");
        ::pause();
        return 0;
    }));
    ::close(ready[1]);
    char byte = 0;
    const auto count = ::read(ready[0], &byte, 1);
    ::close(ready[0]);
    if (count != 1) {
        throw std::runtime_error("cannot make a cgroup namespace: " + child.written());
    }
    const auto path = "/proc/" + std::to_string(child.pid()) + "/ns/cgroup";
    const int made = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    require_call(made >= 0 && ::setns(made, CLONE_NEWCGROUP) == 0, "setns cgroup");
    ::close(made);
}

}  // namespace

CgroupRoot::CgroupRoot() : hierarchies_(mounted()) {
    for (auto& hierarchy : hierarchies_) {
        remove_stale(hierarchy);
        hierarchy.own_directory =
            hierarchy.mount_point + "/" + std::string(kPrefix) + std::to_string(::getpid());
        require_call(::mkdir(hierarchy.own_directory.c_str(), 0755) == 0 || errno == EEXIST,
                     hierarchy.own_directory);
        if (hierarchy.controllers.contains("cpuset")) {
            copy_cpuset(hierarchy);
        }
        if (hierarchy.version == 2) {
            hierarchy.controllers = words(read_file(hierarchy.own_directory + "/cgroup.controllers"), ' ');
        }
    }
}

CgroupRoot::~CgroupRoot() {
    leave();
    std::ranges::for_each(hierarchies_, remove_tree);
    std::ranges::for_each(hidden_, remove_tree);
}

void CgroupRoot::enter() {
    // with nsdelegate no process could be moved in from outside of the namespace
    if (read_file("/proc/self/mountinfo").find("nsdelegate") == std::string::npos) {
        namespace_before_ = ::open("/proc/self/ns/cgroup", O_RDONLY | O_CLOEXEC);
        require_call(namespace_before_ >= 0, "/proc/self/ns/cgroup");
        enter_cgroup_namespace(hierarchies_);
    }
    for (const auto& hierarchy : hierarchies_) {
        const auto* target = hierarchy.mount_point.c_str();
        require_call(::mount(hierarchy.own_directory.c_str(), target, nullptr, MS_BIND, nullptr) == 0,
                     target);
    }
}

void CgroupRoot::leave() {
    if (namespace_before_ >= 0) {
        require_call(::setns(namespace_before_, CLONE_NEWCGROUP) == 0, "leave cgroup namespace");
        ::close(std::exchange(namespace_before_, -1));
    }
}

bool CgroupRoot::hide(const std::string& controller) {
    const auto* found = of(controller);
    if (found == nullptr || found->version != 1) {
        return false;
    }
    const auto place = found->mount_point;
    // the bind and what it covers
    require_call(::umount2(place.c_str(), MNT_DETACH) == 0 && ::umount2(place.c_str(), MNT_DETACH) == 0,
                 place);
    std::erase_if(hierarchies_, [&](const auto& each) {
        if (each.mount_point == place) {
            hidden_.push_back(each);
        }
        return each.mount_point == place;
    });
    return true;
}

const Hierarchy* CgroupRoot::of(const std::string& controller) const {
    for (const auto& hierarchy : hierarchies_) {
        if (controller.empty() ? hierarchy.version == 2 : hierarchy.controllers.contains(controller)) {
            return &hierarchy;
        }
    }
    return controller.empty() && !hierarchies_.empty() ? &hierarchies_.front() : nullptr;
}

std::vector<std::string> CgroupRoot::tree() const {
    std::vector<std::string> all;
    for (const auto& hierarchy : hierarchies_) {
        const auto label = fs::path(hierarchy.mount_point).filename().string();
        for (const auto& directory : directories(hierarchy.mount_point)) {
            all.push_back(label + ":" + directory.substr(hierarchy.mount_point.size()));
        }
    }
    std::ranges::sort(all);
    return all;
}

std::vector<std::string> CgroupRoot::places(const std::string& cgroup) const {
    std::vector<std::string> all;
    for (const auto& hierarchy : hierarchies_) {
        if (fs::exists(hierarchy.mount_point + "/" + cgroup)) {
            all.push_back(hierarchy.mount_point + "/" + cgroup);
        }
    }
    return all;
}

std::vector<pid_t> CgroupRoot::processes(const std::string& cgroup) const {
    const auto* counted = of("");
    return counted == nullptr ? std::vector<pid_t>{} : processes_in(counted->mount_point + "/" + cgroup);
}

std::string CgroupRoot::path_of(const std::string& cgroup, const std::string& key) const {
    const auto* hierarchy = of(key.substr(0, key.find('.')));
    if (hierarchy == nullptr) {
        return {};
    }
    std::string file = key;
    for (const auto& name : kV1Names) {
        if (hierarchy->version == 1 && key == name.v2) {
            file = name.v1;
        }
    }
    return hierarchy->mount_point + "/" + cgroup + "/" + file;
}

std::optional<std::int64_t> CgroupRoot::limit(const std::string& cgroup, const std::string& key) const {
    const auto path = path_of(cgroup, key);
    std::int64_t value = 0;
    if (path.empty() || !fs::exists(path) || !(std::istringstream(read_file(path)) >> value)) {
        return std::nullopt;
    }
    return value;
}

std::optional<double> CgroupRoot::processor_percent(const std::string& cgroup) const {
    const auto path = path_of(cgroup, "cpu.max");
    if (path.empty() || !fs::exists(path)) {
        return std::nullopt;
    }
    auto text = read_file(path);
    if (path.ends_with("cpu.cfs_quota_us")) {
        text += " " + read_file(fs::path(path).replace_filename("cpu.cfs_period_us"));
    }
    double quota = 0;
    double period = 0;
    if (!(std::istringstream(text) >> quota >> period) || quota < 0) {
        return std::nullopt;
    }
    return 100 * quota / period;
}

void CgroupRoot::set_limit(const std::string& cgroup, const std::string& key, std::int64_t value) const {
    write_file(path_of(cgroup, key), std::to_string(value));
}

}  // namespace partd::test
