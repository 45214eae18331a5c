// SPDX-License-Identifier: Apache-2.0
#include "kernel/cgroup/cgroups.h"

#include "base/text.h"
#include "kernel/cgroup/delegation.h"
#include "kernel/cgroup/tree.h"
#include "kernel/file/files.h"
#include "kernel/mount/mounts.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// A mount that only pretends to be a cgroup hierarchy is not written to.
bool is_cgroup_fs(const std::string& path) {
    struct statfs fs{};
    if (statfs(path.c_str(), &fs) != 0) {
        return false;
    }
    const auto magic = static_cast<unsigned long>(fs.f_type);
    return magic == CGROUP_SUPER_MAGIC || magic == CGROUP2_SUPER_MAGIC;
}

std::set<std::string> read_words(const std::string& path) {
    const std::string text = read_file(path).value_or("");
    std::set<std::string> all;
    for (const std::string_view word : words(text)) {
        all.emplace(word);
    }
    return all;
}

// v1 calls the io controller blkio.
std::string v1_name(const std::string& controller) {
    return controller == "io" ? "blkio" : controller;
}

// The name of a v1 group that is being made.
constexpr char kDraft[] = ".partd-new";

Result<> make_marked(const std::string& path, const std::string& owner) {
    if (const int code = make_group(path); code != 0) {
        return fail(code, "create " + path);
    }
    if (auto marked = set_xattr(path, kCgroupMark, owner); !marked) {
        rmdir(path.c_str());
        return marked;
    }
    return {};
}

// Makes a marked group in a v1 hierarchy, where rename(2) works: it never exists under its name without its
// mark.
Result<> make_marked_v1(const std::string& path, const std::string& owner) {
    const std::string draft = path + kDraft;
    if (mkdir(draft.c_str(), 0755) != 0 && errno != EEXIST) {
        return fail_errno("create " + draft);
    }
    PARTD_TRY(set_xattr(draft, kCgroupMark, owner));
    if (rename(draft.c_str(), path.c_str()) != 0) {
        const int code = errno;
        rmdir(draft.c_str());
        return fail(code, "create " + path);
    }
    return {};
}

// A v1 cpuset takes no process before it has processors and memory nodes: those of its parent.
Result<> inherit_cpuset(const std::string& path) {
    // The processors last: where they are right, the next run finds nothing to do.
    for (const char* file : {"/cpuset.mems", "/cpuset.cpus"}) {
        auto own = read_file(path + file);
        PARTD_TRY(own);
        if (!trim(*own).empty()) {
            continue;
        }
        auto parent = read_file(path + "/.." + file);
        PARTD_TRY(parent);
        PARTD_TRY(write_kernel_file(path + file, *parent));
    }
    return {};
}

}  // namespace

std::vector<std::string> path_down(const std::string& group) {
    std::vector<std::string> all;
    for (std::size_t at = group.find('/'); at != std::string::npos; at = group.find('/', at + 1)) {
        all.push_back(group.substr(0, at));
    }
    all.push_back(group);
    return all;
}

Result<Cgroups> Cgroups::find(const std::string& root) {
    const auto mounts = current_mounts();
    PARTD_TRY(mounts);
    Cgroups found;
    found.root_ = root;
    for (const Mount& mount : **mounts) {
        if (mount.type == "cgroup2" && is_cgroup_fs(mount.point)) {
            found.unified_ = mount.point;  // of several on one point, the last is what is seen
        } else if (mount.type == "cgroup" && is_cgroup_fs(mount.point)) {
            for (const std::string_view option : split(mount.options, ',')) {
                found.v1_.insert_or_assign(std::string(option), mount.point);
            }
        }
    }
    if (!found.unified_.empty()) {
        found.unified_controllers_ = read_words(found.unified_ + "/cgroup.controllers");
    }
    if (auto systemd = std::make_unique<Systemd>(root); systemd->runs() && found.v1_.empty()) {
        found.systemd_ = std::move(systemd);
    }
    return found;
}

// The one where processes live first.
std::vector<std::string> Cgroups::roots() const {
    std::vector<std::string> all;
    if (!unified_.empty()) {
        all.push_back(unified_);
    }
    for (const char* controller :
         {"freezer", "cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "cpuacct"}) {
        const auto mount = v1_.find(controller);
        if (mount != v1_.end() && std::ranges::find(all, mount->second) == all.end()) {
            all.push_back(mount->second);
        }
    }
    return all;
}

std::string Cgroups::home(const std::string& group) const {
    // Without cgroup2 the freezer, which limits nothing, says who belongs where.
    const auto freezer = v1_.find("freezer");
    const std::string& root = !unified_.empty() || freezer == v1_.end() ? unified_ : freezer->second;
    return root + "/" + group;
}

Cgroups::Version Cgroups::version(const std::string& controller) const {
    if (unified_controllers_.contains(controller)) {
        return Version::V2;
    }
    return v1_.contains(v1_name(controller)) ? Version::V1 : Version::None;
}

std::string Cgroups::directory(const std::string& controller, const std::string& group) const {
    const auto mount = v1_.find(v1_name(controller));
    return version(controller) == Version::V1 ? mount->second + "/" + group : unified_ + "/" + group;
}

std::vector<std::string> Cgroups::directories(const std::string& group) const {
    std::vector<std::string> all;
    for (const std::string& root : roots()) {
        if (exists(root + "/" + group)) {
            all.push_back(root + "/" + group);
        }
    }
    return all;
}

std::string Cgroups::identity(const std::string& group) const {
    struct stat st{};
    return stat(home(group).c_str(), &st) == 0 ? std::to_string(st.st_ino) : std::string();
}

bool Cgroups::present(const std::string& group) const {
    return exists(home(group));
}

Result<> Cgroups::create(const std::string& group, const std::string& owner) const {
    if (roots().empty()) {
        return fail("this host has no cgroup file system mounted: mount cgroup2 on /sys/fs/cgroup");
    }
    if (systemd_ == nullptr) {
        return make_marked(home(group), owner);
    }
    if (present(group)) {
        return fail(EEXIST, "start slice " + unit_of(group));
    }
    PARTD_TRY(start_slice(*systemd_, group, owner));
    return set_xattr(home(group), kCgroupMark, owner);
}

bool Cgroups::made_anew(const std::string& group) const {
    return systemd_ != nullptr && is_own_slice(*systemd_, group);
}

Result<> Cgroups::enable(const std::string& controller, const std::string& group,
                         const std::string& owner) const {
    const auto groups = path_down(group);
    if (version(controller) == Version::V2) {
        for (std::size_t i = 0; i < groups.size(); ++i) {
            const std::string parent = i == 0 ? unified_ : unified_ + "/" + groups[i - 1];
            if (!read_words(parent + "/cgroup.subtree_control").contains(controller)) {
                PARTD_TRY(write_kernel_file(parent + "/cgroup.subtree_control", "+" + controller));
            }
        }
        return {};
    }
    for (const std::string& each : groups) {
        const std::string path = directory(controller, each);
        if (!exists(path)) {
            PARTD_TRY(make_marked_v1(path, each == group ? owner : this->owner(each)));
        }
        if (controller == "cpuset") {
            PARTD_TRY(inherit_cpuset(path));
        }
    }
    const auto processes = read_file(home(group) + "/cgroup.procs");
    PARTD_TRY(processes);
    for (const std::string_view pid : words(*processes)) {
        auto moved = write_kernel_file(directory(controller, group) + "/cgroup.procs", pid);
        if (!moved && moved.error().code != ESRCH) {  // it ended meanwhile
            return moved;
        }
    }
    return {};
}

Result<> Cgroups::remove_unmarked(const std::string& group) const {
    if (rmdir(home(group).c_str()) != 0 && errno != ENOENT) {
        return fail_errno("remove " + home(group));
    }
    return {};
}

Result<> Cgroups::remove(const std::string& group, bool inner) const {
    constexpr std::chrono::seconds kMost{2};
    const auto deadline = std::chrono::steady_clock::now() + kMost;
    if (systemd_ != nullptr && !owner(group).empty()) {
        PARTD_TRY(systemd_->stop(unit_of(group)));
    }
    // Where it lives last: as long as that is there, the others are not forgotten.
    auto all = roots();
    std::ranges::reverse(all);
    for (const std::string& root : all) {
        const std::string path = root + "/" + group;
        rmdir((path + kDraft).c_str());  // of a killed run
        if (get_xattr(path, kCgroupMark).empty()) {
            continue;
        }
        const bool whole = inner || !get_xattr(path, kDelegationMark).empty();
        PARTD_TRY(remove_group(path, whole, deadline));
    }
    return {};
}

std::string Cgroups::owner(const std::string& group) const {
    return get_xattr(home(group), kCgroupMark);
}

namespace {

Result<> collect_marked(const Cgroups& cgroups, const std::string& group, std::vector<MarkedGroup>& found) {
    auto marked = cgroups.look(group);
    if (!marked) {
        return {};
    }
    found.push_back(std::move(*marked));
    const std::string directory = cgroups.home(group);
    if (!has_directories(directory)) {
        return {};
    }
    auto names = list_if_there(directory);
    PARTD_TRY(names);
    for (const std::string& name : *names) {
        if (name.ends_with(".slice")) {
            PARTD_TRY(collect_marked(cgroups, fmt::format("{}/{}", group, name), found));
        }
    }
    return {};
}

}  // namespace

std::optional<MarkedGroup> Cgroups::look(const std::string& group) const {
    std::string owner = this->owner(group);
    return owner.empty() ? std::nullopt
                         : std::optional(MarkedGroup{group, std::move(owner), identity(group),
                                                     list_xattrs(home(group))});
}

Result<std::vector<MarkedGroup>> Cgroups::marked() const {
    std::vector<MarkedGroup> found;
    PARTD_TRY(collect_marked(*this, "partd.slice", found));
    return found;
}

}  // namespace partd::kernel
