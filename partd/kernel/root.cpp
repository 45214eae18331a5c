#include "kernel/root.h"

#include "base/text.h"
#include "kernel/files.h"
#include "kernel/mount_api.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

using Options = std::vector<std::pair<std::string, std::string>>;

constexpr std::uint64_t kQuiet = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// Files are made and looked up with the rights of the partition's root, and owned by it.
class AsPartitionRoot {
public:
    explicit AsPartitionRoot(const UserMaps& maps)
        : uid_(setfsuid(outside_id(maps.uids, 0).value_or(0))),
          gid_(setfsgid(outside_id(maps.gids, 0).value_or(0))) {}
    AsPartitionRoot(const AsPartitionRoot&) = delete;
    AsPartitionRoot& operator=(const AsPartitionRoot&) = delete;
    ~AsPartitionRoot() {
        setfsuid(static_cast<uid_t>(uid_));
        setfsgid(static_cast<gid_t>(gid_));
    }

private:
    int uid_, gid_;
};

// setfsuid(2) takes the rights over files away; this brings them back, for a file system that acts with those
// of its mounter but must own what it makes.
Result<> regain_file_rights() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> rights{};
    if (syscall(SYS_capget, &header, rights.data()) != 0) {
        return fail_errno("read the capabilities");
    }
    for (auto& each : rights) {
        each.effective = each.permitted;
    }
    if (syscall(SYS_capset, &header, rights.data()) != 0) {
        return fail_errno("set the capabilities");
    }
    return {};
}

// Builds the tree under a root directory, each step by descriptors below it.
class Builder {
public:
    Builder(const RootPlan& plan, const RootView& view) : plan_(plan), view_(view) {}

    Result<> run() {
        PARTD_TRY(make_stage());
        auto root = plan_.layer.empty() ? plain_root() : layered_root();
        PARTD_TRY(root);
        root_ = std::move(*root);
        PARTD_TRY(mount_dev());
        PARTD_TRY(mount_proc());
        PARTD_TRY(mount_sys());
        PARTD_TRY(mount_tmp());
        PARTD_TRY(mount_etc());
        for (const ExtraMount& mount : plan_.mounts) {
            if (auto mounted = mount_extra(mount); !mounted) {
                return std::unexpected(std::move(mounted).error().wrap("mount on " + mount.target));
            }
        }
        if (plan_.read_only) {
            PARTD_TRY(set_attributes(root_.get(), MOUNT_ATTR_RDONLY, false));
        }
        return pivot();
    }

private:
    // A place to put things together, which only this process sees.
    Result<> make_stage() {
        auto place = open_directory(plan_.pins, false);
        PARTD_TRY(place);
        auto tree = new_mount("tmpfs", Options{{"mode", "0711"}}, kQuiet);
        PARTD_TRY(tree);
        PARTD_TRY(attach(tree->get(), place->get()));
        for (const char* name : {"lower", "layer", "root"}) {
            if (mkdirat(tree->get(), name, 0755) != 0) {
                return fail_errno(std::string("make the directory ") + name);
            }
        }
        stage_ = std::move(*tree);
        return {};
    }

    Result<Fd> put_on_stage(const Fd& tree, const char* name) {
        auto place = open_below(stage_.get(), name, O_PATH | O_DIRECTORY);
        PARTD_TRY(place);
        PARTD_TRY(attach(tree.get(), place->get()));
        return open_below(stage_.get(), name, O_PATH | O_DIRECTORY);
    }

    // The tree that becomes the root, with its files' owners as the partition is to see them.
    Result<Fd> tree_of(const Fd& directory, bool recursive) {
        auto tree = clone_tree(directory.get(), recursive);
        PARTD_TRY(tree);
        PARTD_TRY(set_propagation(tree->get(), MS_SLAVE));
        // Device nodes that an image brings along are no way to the host's devices.
        PARTD_TRY(set_attributes(tree->get(), MOUNT_ATTR_NODEV, true));
        if (shifted_) {
            if (auto mapped = map_ids(tree->get(), view_.user->fd()); !mapped) {
                return std::unexpected(std::move(mapped).error().wrap(
                    plan_.path +
                    " belongs to the host's root and its file system cannot be mapped: give it to "
                    "the partition's root (chown)"));
            }
        }
        return tree;
    }

    Result<Fd> open_root() {
        auto directory = open_plain(plan_.path);
        PARTD_TRY(directory);
        if (fstat(directory->get(), &lower_) != 0 || !S_ISDIR(lower_.st_mode)) {
            return fail(ENOTDIR, plan_.path);
        }
        const auto is_mapped = [&](const IdRange& range) {
            return lower_.st_uid >= range.outside && lower_.st_uid - range.outside < range.count;
        };
        shifted_ = view_.user != nullptr && std::ranges::none_of(view_.maps.uids, is_mapped);
        return directory;
    }

    Result<Fd> plain_root() {
        auto directory = open_root();
        PARTD_TRY(directory);
        auto tree = tree_of(*directory, true);
        PARTD_TRY(tree);
        if (plan_.read_only) {
            // All that is mounted below; the top follows when the places for mounts are made.
            PARTD_TRY(set_attributes(tree->get(), MOUNT_ATTR_RDONLY, true));
            PARTD_TRY(clear_attributes(tree->get(), MOUNT_ATTR_RDONLY));
        }
        return put_on_stage(*tree, "root");
    }

    Result<Fd> layered_root() {
        auto directory = open_root();
        PARTD_TRY(directory);
        auto lower = tree_of(*directory, false);
        PARTD_TRY(lower);
        auto layer = open_plain(plan_.layer);
        PARTD_TRY(layer);
        // What the root itself looks like comes from the upper one.
        auto upper = open_below(layer->get(), "upper", O_RDONLY | O_DIRECTORY);
        PARTD_TRY(upper);
        auto work = open_below(layer->get(), "work", O_RDONLY | O_DIRECTORY);
        PARTD_TRY(work);
        if (fchown(upper->get(), lower_.st_uid, lower_.st_gid) != 0 ||
            fchmod(upper->get(), lower_.st_mode & 07777U) != 0 ||
            fchown(work->get(), lower_.st_uid, lower_.st_gid) != 0) {
            return fail_errno("prepare " + plan_.layer);
        }
        auto own = tree_of(*layer, false);
        PARTD_TRY(own);
        PARTD_TRY(put_on_stage(*lower, "lower"));
        PARTD_TRY(put_on_stage(*own, "layer"));
        // Names without a comma or colon, whatever the real ones are.
        if (fchdir(stage_.get()) != 0) {
            return fail_errno("go to the stage");
        }
        auto merged = mount_overlay();
        PARTD_TRY(merged);
        return put_on_stage(*merged, "root");
    }

    Result<Fd> mount_overlay() {
        std::optional<AsPartitionRoot> owner;
        if (shifted_) {
            owner.emplace(view_.maps);
            PARTD_TRY(regain_file_rights());
        }
        return new_mount(
            "overlay", Options{{"lowerdir", "lower"}, {"upperdir", "layer/upper"}, {"workdir", "layer/work"}},
            MOUNT_ATTR_NODEV);
    }

    Result<Fd> target(const std::string& path, bool directory = true) {
        const AsPartitionRoot rights(view_.maps);
        return open_target(root_.get(), path, directory);
    }

    Result<> mount_at(const std::string& path, const std::string& type, const Options& options,
                      std::uint64_t attributes) {
        auto place = target(path);
        PARTD_TRY(place);
        auto tree = new_mount(type, options, attributes);
        PARTD_TRY(tree);
        if (type == "devpts" || type == "mqueue") {
            PARTD_TRY(own(tree->get(), ""));
        }
        return attach(tree->get(), place->get());
    }

    [[nodiscard]] std::string uid(std::uint32_t inside = 0) const {
        return std::to_string(outside_id(view_.maps.uids, inside).value_or(inside));
    }
    [[nodiscard]] std::string gid(std::uint32_t inside = 0) const {
        return std::to_string(outside_id(view_.maps.gids, inside).value_or(inside));
    }
    [[nodiscard]] Options tmpfs(const char* mode) const {
        return {{"mode", mode}, {"uid", uid()}, {"gid", gid()}};
    }

    // Gives what is below the directory, or the directory itself for "", to the partition's root.
    Result<> own(int directory, const char* name) {
        if (fchownat(directory, name, outside_id(view_.maps.uids, 0).value_or(0),
                     outside_id(view_.maps.gids, 0).value_or(0), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0) {
            return fail_errno(fmt::format("give /dev/{} to the partition's root", name));
        }
        return {};
    }

    Result<> mount_dev() {
        auto place = target("dev");
        PARTD_TRY(place);
        auto dev = new_mount("tmpfs", tmpfs("0755"), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        PARTD_TRY(dev);
        PARTD_TRY(make_nodes(dev->get()));
        // What masks files is this node: nobody had a hand in it.
        auto null = open_below(dev->get(), "null", O_PATH);
        PARTD_TRY(null);
        null_ = std::move(*null);
        PARTD_TRY(attach(dev->get(), place->get()));
        Options pts = {{"mode", "0620"}, {"ptmxmode", "0666"}};
        constexpr std::uint32_t kTtyGroup = 5;
        if (view_.user == nullptr || outside_id(view_.maps.gids, kTtyGroup)) {
            pts.emplace_back("gid", gid(kTtyGroup));
        }
        PARTD_TRY(mount_at("dev/pts", "devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
        PARTD_TRY(mount_at("dev/shm", "tmpfs", tmpfs("1777"), kQuiet));
        return view_.ipc ? mount_at("dev/mqueue", "mqueue", {}, kQuiet) : Result<>();
    }

    Result<> make_nodes(int dev) {
        struct Node {
            const char* name;
            unsigned major, minor;
        };
        static constexpr std::array kNodes = {Node{"null", 1, 3},   Node{"zero", 1, 5},    Node{"full", 1, 7},
                                              Node{"random", 1, 8}, Node{"urandom", 1, 9}, Node{"tty", 5, 0}};
        static constexpr std::array<std::pair<const char*, const char*>, 5> kLinks = {
            {{"/proc/self/fd", "fd"},
             {"fd/0", "stdin"},
             {"fd/1", "stdout"},
             {"fd/2", "stderr"},
             {"pts/ptmx", "ptmx"}}};
        for (const Node& node : kNodes) {
            if (mknodat(dev, node.name, S_IFCHR | 0666, makedev(node.major, node.minor)) != 0) {
                return fail_errno(fmt::format("make /dev/{}", node.name));
            }
            PARTD_TRY(own(dev, node.name));
        }
        for (const auto& [to, name] : kLinks) {
            if (symlinkat(to, dev, name) != 0) {
                return fail_errno(fmt::format("make /dev/{}", name));
            }
            PARTD_TRY(own(dev, name));
        }
        return {};
    }

    // As the runtimes of the Open Container Initiative do it (its runtime specification, config-linux.md):
    // what tells about the host or reaches it is masked or read-only.
    Result<> mount_proc() {
        PARTD_TRY(mount_at("proc", "proc", {}, kQuiet));
        auto proc = target("proc");
        PARTD_TRY(proc);
        struct statfs fs{};
        if (fstatfs(proc->get(), &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC) {
            return fail("/proc is not what was mounted there");
        }
        Fd net;
        if (view_.net) {
            auto own_net = clone_below(proc->get(), "sys/net", 0);
            PARTD_TRY(own_net);
            net = std::move(*own_net);
        }
        for (const char* path : {"bus", "fs", "irq", "sys", "sysrq-trigger"}) {
            auto tree = clone_below(proc->get(), path, MOUNT_ATTR_RDONLY);
            if (!tree && tree.error().code == ENOENT) {
                continue;
            }
            PARTD_TRY(tree);
            PARTD_TRY(put_over(proc->get(), path, *tree));
        }
        if (net) {
            PARTD_TRY(put_over(proc->get(), "sys/net", net));
        }
        for (const char* path : {"acpi", "asound", "interrupts", "kcore", "keys", "latency_stats",
                                 "sched_debug", "scsi", "timer_list", "timer_stats"}) {
            PARTD_TRY(mask(proc->get(), path));
        }
        return {};
    }

    Result<> mount_sys() {
        // sysfs shows the network namespace in which it is mounted: not the host's.
        PARTD_TRY(view_.net ? mount_at("sys", "sysfs", {}, kQuiet | MOUNT_ATTR_RDONLY)
                            : mount_at("sys", "tmpfs", tmpfs("0755"), kQuiet));
        auto sys = target("sys");
        PARTD_TRY(sys);
        for (const char* path : {"firmware", "devices/virtual/powercap"}) {
            PARTD_TRY(mask(sys->get(), path));
        }
        if (!view_.cgroup || !view_.net) {
            return {};
        }
        auto tree = new_mount("cgroup2", Options(), kQuiet | MOUNT_ATTR_RDONLY);
        if (!tree) {
            return {};  // a host of the first version: there is nothing that a partition could see alone
        }
        auto place = open_below(sys->get(), "fs/cgroup", O_PATH | O_DIRECTORY);
        PARTD_TRY(place);
        return attach(tree->get(), place->get());
    }

    Result<> mount_tmp() {
        return mount_at("tmp", "tmpfs", tmpfs("1777"), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    }

    Result<> mount_etc() {
        for (const std::string& name : list_directory(plan_.etc).value_or(std::vector<std::string>())) {
            auto source = open_plain(plan_.etc + "/" + name);
            PARTD_TRY(source);
            auto tree = clone_tree(source->get(), false);
            PARTD_TRY(tree);
            PARTD_TRY(set_propagation(tree->get(), MS_SLAVE));
            PARTD_TRY(set_attributes(tree->get(), kQuiet, false));
            auto place = target("etc/" + name, false);
            if (!place && place.error().code == ELOOP) {
                place = in_place_of_link(name);
            }
            PARTD_TRY(place);
            PARTD_TRY(attach(tree->get(), place->get()));
        }
        return {};
    }

    // Images often have a link there, to a place that only a running system fills. What is written to a layer
    // leaves the image as it is.
    Result<Fd> in_place_of_link(const std::string& name) {
        if (plan_.layer.empty()) {
            return fail(ELOOP,
                        fmt::format("/etc/{} in {} is a symbolic link: replace it by a file, or set overlay",
                                    name, plan_.path));
        }
        const AsPartitionRoot rights(view_.maps);
        auto etc = open_target(root_.get(), "etc", true);
        PARTD_TRY(etc);
        if (unlinkat(etc->get(), name.c_str(), 0) != 0) {
            return fail_errno("replace /etc/" + name);
        }
        return open_target(root_.get(), "etc/" + name, false);
    }

    Result<> mount_extra(const ExtraMount& mount) {
        std::uint64_t attributes = MOUNT_ATTR_NODEV | (mount.read_only ? MOUNT_ATTR_RDONLY : 0U);
        bool idmap = false;
        Options options;
        for (const std::string& option : mount.options) {
            const std::size_t equals = option.find('=');
            if (option == "dev") {
                attributes &= ~static_cast<std::uint64_t>(MOUNT_ATTR_NODEV);
            } else if (option == "nosuid") {
                attributes |= MOUNT_ATTR_NOSUID;
            } else if (option == "noexec") {
                attributes |= MOUNT_ATTR_NOEXEC;
            } else if (option == "noatime") {
                attributes |= MOUNT_ATTR_NOATIME;
            } else if (option == "idmap") {
                idmap = view_.user != nullptr;
            } else {
                options.emplace_back(option.substr(0, equals),
                                     equals == std::string::npos ? "" : option.substr(equals + 1));
            }
        }
        if (mount.type == "bind") {
            return mount_bind(mount, attributes, idmap);
        }
        if (mount.type == "tmpfs") {
            options.insert(options.begin(), {{"uid", uid()}, {"gid", gid()}});
        } else if (!mount.source.empty()) {
            options.insert(options.begin(), {"source", mount.source});
        }
        return mount_at(mount.target, mount.type, options, attributes);
    }

    Result<> mount_bind(const ExtraMount& mount, std::uint64_t attributes, bool idmap) {
        auto source = open_plain(mount.source);
        PARTD_TRY(source);
        struct stat st{};
        fstat(source->get(), &st);
        auto tree = clone_tree(source->get(), true);
        PARTD_TRY(tree);
        PARTD_TRY(set_propagation(tree->get(), MS_SLAVE));
        PARTD_TRY(set_attributes(tree->get(), attributes, true));
        if (idmap) {
            PARTD_TRY(map_ids(tree->get(), view_.user->fd()));
        }
        auto place = target(mount.target, S_ISDIR(st.st_mode));
        PARTD_TRY(place);
        return attach(tree->get(), place->get());
    }

    static Result<Fd> clone_below(int directory, const char* path, std::uint64_t attributes) {
        auto at = open_below(directory, path, O_PATH);
        PARTD_TRY(at);
        auto tree = clone_tree(at->get(), false);
        PARTD_TRY(tree);
        PARTD_TRY(set_attributes(tree->get(), kQuiet | attributes, false));
        return tree;
    }

    static Result<> put_over(int directory, const char* path, const Fd& tree) {
        auto place = open_below(directory, path, O_PATH);
        PARTD_TRY(place);
        return attach(tree.get(), place->get());
    }

    Result<> mask(int directory, const char* path) {
        auto place = open_below(directory, path, O_PATH);
        if (!place && place.error().code == ENOENT) {
            return {};
        }
        PARTD_TRY(place);
        struct stat st{};
        fstat(place->get(), &st);
        auto tree = S_ISDIR(st.st_mode) ? new_mount("tmpfs", tmpfs("0755"), kQuiet | MOUNT_ATTR_RDONLY)
                                        : clone_tree(null_.get(), false);
        PARTD_TRY(tree);
        return attach(tree->get(), place->get());
    }

    // pivot_root(2): unlike chroot(2) there is nothing left to go back to.
    Result<> pivot() {
        if (fchdir(root_.get()) != 0 || syscall(SYS_pivot_root, ".", ".") != 0) {
            return fail_errno("pivot_root");
        }
        if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) {
            return fail_errno("leave the host's tree");
        }
        return {};
    }

    const RootPlan& plan_;
    const RootView& view_;
    struct stat lower_{};
    bool shifted_ = false;
    Fd stage_, root_, null_;
};

// sysfs shows the network namespace in which it was mounted.
Result<> mount_sysfs() {
    constexpr char kCgroup[] = "/sys/fs/cgroup";
    Fd cgroup;
    if (auto at = open_directory(kCgroup, false)) {
        if (auto tree = clone_tree(at->get(), true)) {
            cgroup = std::move(*tree);
        }
    }
    struct statvfs st{};
    const bool read_only = statvfs("/sys", &st) == 0 && (st.f_flag & ST_RDONLY) != 0;
    if (umount2("/sys", MNT_DETACH) != 0 && errno != EINVAL) {
        return fail_errno("unmount /sys");
    }
    if (mount("partd", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | (read_only ? MS_RDONLY : 0),
              nullptr) != 0) {
        return fail_errno("mount /sys");
    }
    auto place = open_directory(kCgroup, false);
    return cgroup && place ? attach(cgroup.get(), place->get()) : Result<>();
}

Result<> bind_etc(const std::string& directory) {
    for (const std::string& name : list_directory(directory).value_or(std::vector<std::string>())) {
        const std::string target = "/etc/" + name;
        if (access(target.c_str(), F_OK) != 0) {
            continue;  // as ip-netns(8): there is nothing to stand over
        }
        if (mount((directory + "/" + name).c_str(), target.c_str(), "none", MS_BIND, nullptr) != 0) {
            return fail_errno("bind " + directory + "/" + name + " over " + target);
        }
    }
    return {};
}

// The host's tree, where what the host mounts and unmounts arrives, and nothing goes the other way.
Result<> leave_for_copy() {
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "none", MS_SLAVE | MS_REC, nullptr) != 0) {
        return fail_errno("make a mount namespace");
    }
    return {};
}

Result<> show_host_tree(const RootPlan& plan, const RootView& view) {
    if (view.net) {
        PARTD_TRY(mount_sysfs());
    }
    PARTD_TRY(bind_etc(plan.etc));
    if (view.pid && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
        return fail_errno("mount /proc");
    }
    return {};
}

// The number of the mount namespace that this process is in; nullopt before Linux 6.18.
std::optional<std::uint64_t> number_here() {
    Fd fd(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
    const auto own = Namespace::from(std::move(fd), NamespaceType::Mnt);
    return own ? parse_number(own->identity()) : std::nullopt;
}

// A mount namespace can be pinned only by one with a lower number, and Linux 6.18 numbers namespaces per
// processor: a new one may be lower than that of the host. Another processor then has higher numbers.
Result<> be_pinnable(std::optional<std::uint64_t> host) {
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!host || number_here().value_or(*host) > *host) {
            return {};
        }
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(cpu, &only);
        if (sched_setaffinity(0, sizeof only, &only) == 0 && unshare(CLONE_NEWNS) != 0) {
            return fail_errno("make a mount namespace");
        }
    }
    return {};
}

}  // namespace

Result<> enter_new_root(const RootPlan& plan, const RootView& view) {
    const auto host = number_here();
    umask(0);
    PARTD_TRY(leave_for_copy());
    umount2(plan.pins.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    PARTD_TRY(plan.path.empty() ? show_host_tree(plan, view) : Builder(plan, view).run());
    if (view.user != nullptr) {
        PARTD_TRY(join(*view.user));
        if (unshare(CLONE_NEWNS) != 0) {
            return fail_errno("make a mount namespace");
        }
    }
    return be_pinnable(host);
}

Result<> mount_host_view(const std::string& etc) {
    PARTD_TRY(leave_for_copy());
    PARTD_TRY(mount_sysfs());
    return bind_etc(etc);
}

}  // namespace partd::kernel
