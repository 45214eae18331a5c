#include "kernel/cgroups.h"

#include "base/text.h"
#include "kernel/delegation.h"
#include "kernel/files.h"
#include "kernel/mounts.h"

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

// The group's ancestors below the root, outermost first, and the group itself.
std::vector<std::string> path_down(const std::string& group) {
    std::vector<std::string> all;
    for (std::size_t at = group.find('/'); at != std::string::npos; at = group.find('/', at + 1)) {
        all.push_back(group.substr(0, at));
    }
    all.push_back(group);
    return all;
}

// The name of a v1 group that is being made.
constexpr char kDraft[] = ".partd-new";

Result<> make_marked(const std::string& path, const std::string& owner) {
    if (mkdir(path.c_str(), 0755) != 0) {
        return fail_errno("create " + path);
    }
    if (auto marked = set_xattr(path, kCgroupMark, owner); !marked) {
        rmdir(path.c_str());
        return marked;
    }
    return {};
}

// The same in a v1 hierarchy, where a group can be renamed: it never stands there without its mark.
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

// Whether there are directories in it: each has a link to the one above (path_resolution(7), "..").
bool has_inner(const std::string& directory) {
    struct stat st{};
    return stat(directory.c_str(), &st) == 0 && st.st_nlink > 2;
}

// Removes the groups that those made below to whom it was delegated.
void remove_below(const std::string& path) {
    for (const std::string& name : list_directory(path).value_or(std::vector<std::string>())) {
        const std::string inner = fmt::format("{}/{}", path, name);
        struct stat st{};
        if (lstat(inner.c_str(), &st) == 0 && S_ISDIR(st.st_mode) && get_xattr(inner, kCgroupMark).empty()) {
            remove_below(inner);
            rmdir(inner.c_str());
        }
    }
}

}  // namespace

Result<Cgroups> Cgroups::find(const std::string& root) {
    auto mounts = read_mounts();
    PARTD_TRY(mounts);
    Cgroups found;
    found.root_ = root;
    for (const Mount& mount : *mounts) {
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

Result<> Cgroups::remove(const std::string& group) const {
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
        if (!get_xattr(path, kDelegationMark).empty()) {
            remove_below(path);
        }
        // A killed process leaves its group a moment after it is gone for its parent.
        for (int attempt = 0; rmdir(path.c_str()) != 0 && errno != ENOENT; ++attempt) {
            if (errno != EBUSY || attempt == 50) {
                return fail_errno("remove " + path);
            }
            usleep(2000);
        }
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
    if (!has_inner(directory)) {
        return {};
    }
    auto names = list_directory(directory);
    if (!names && names.error().code == ENOENT) {
        return {};  // it went meanwhile
    }
    PARTD_TRY(names);
    for (const std::string& name : *names) {
        if (name.ends_with(".slice")) {
            PARTD_TRY(collect_marked(cgroups, fmt::format("{}/{}", group, name), found));
        }
    }
    return {};
}

void collect_processes(const std::string& path, std::set<pid_t>& found) {
    const std::string text = read_file(path + "/cgroup.procs").value_or("");
    for (const std::string_view word : words(text)) {
        if (const auto pid = parse_number(word)) {
            found.insert(static_cast<pid_t>(*pid));
        }
    }
    if (!has_inner(path)) {
        return;
    }
    for (const std::string& name : list_directory(path).value_or(std::vector<std::string>())) {
        struct stat st{};
        const std::string inner = fmt::format("{}/{}", path, name);
        if (lstat(inner.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) {
            collect_processes(inner, found);
        }
    }
}

// Moves the calling process.
Result<> move_here(const std::vector<std::string>& directories) {
    for (const std::string& path : directories) {
        PARTD_TRY(write_kernel_file(path + "/cgroup.procs", "0"));
    }
    return {};
}

// The same, also where those whom the group was delegated to have controllers in the groups below: then it
// has no processes itself ("no internal processes", cgroups(7)), and one beside theirs takes those that
// enter.
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
    if (mkdir(directories.front().c_str(), 0755) != 0 && errno != EEXIST) {
        return fail_errno("create " + directories.front());
    }
    return move_here(directories);
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

std::set<pid_t> Cgroups::processes(const std::string& group) const {
    std::set<pid_t> found;
    collect_processes(home(group), found);
    found.erase(0);  // processes of an outer pid namespace
    return found;
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
    CgroupUse use{.memory = memory(group), .processes = processes(group).size()};
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
    return use;
}

}  // namespace partd::kernel
