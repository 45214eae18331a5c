// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/files.h"
#include "kernel/root/place.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

class SystemMounts {
public:
    explicit SystemMounts(const RootPlace& place) : place_(place) {}

    Result<> run() {
        PARTD_TRY(mount_dev());
        PARTD_TRY(mount_proc());
        PARTD_TRY(mount_sys());
        return mount_tmp();
    }

private:
    Result<> mount_dev() {
        auto place = place_.target("dev");
        PARTD_TRY(place);
        auto dev = new_mount("tmpfs", place_.tmpfs("0755"), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        PARTD_TRY(dev);
        PARTD_TRY(make_nodes(dev->get()));
        // Files are masked with this node, which nobody else can have changed.
        auto null = open_below(dev->get(), "null", O_PATH);
        PARTD_TRY(null);
        null_ = std::move(*null);
        PARTD_TRY(attach(dev->get(), place->get()));
        MountOptions pts = {{"mode", "0620"}, {"ptmxmode", "0666"}};
        constexpr std::uint32_t kTtyGroup = 5;
        if (place_.view().user == nullptr || outside_id(place_.view().maps.gids, kTtyGroup)) {
            pts.emplace_back("gid", place_.gid(kTtyGroup));
        }
        PARTD_TRY(place_.mount_at("dev/pts", "devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
        PARTD_TRY(mount_memory());
        return place_.view().ipc ? place_.mount_at("dev/mqueue", "mqueue", {}, kQuiet) : Result<>();
    }

    // That of its IPC namespace, where it has one: whoever shares that shares it.
    Result<> mount_memory() {
        if (place_.plan().memory < 0) {
            return place_.mount_at("dev/shm", "tmpfs", place_.tmpfs("1777"), kQuiet);
        }
        auto place = place_.target("dev/shm");
        PARTD_TRY(place);
        return attach(place_.plan().memory, place->get());
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
            PARTD_TRY(place_.own(dev, node.name));
        }
        for (const auto& [to, name] : kLinks) {
            if (symlinkat(to, dev, name) != 0) {
                return fail_errno(fmt::format("make /dev/{}", name));
            }
            PARTD_TRY(place_.own(dev, name));
        }
        return {};
    }

    // As the runtimes of the Open Container Initiative do it (its runtime specification, config-linux.md):
    // what tells about the host or reaches it is masked or read-only.
    Result<> mount_proc() {
        PARTD_TRY(place_.mount_at("proc", "proc", {}, kQuiet));
        auto proc = place_.target("proc");
        PARTD_TRY(proc);
        struct statfs fs{};
        if (fstatfs(proc->get(), &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC) {
            return fail("/proc is not what was mounted there");
        }
        Fd net;
        if (place_.view().net) {
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
        PARTD_TRY(place_.view().net ? place_.mount_at("sys", "sysfs", {}, kQuiet | MOUNT_ATTR_RDONLY)
                                    : place_.mount_at("sys", "tmpfs", place_.tmpfs("0755"), kQuiet));
        auto sys = place_.target("sys");
        PARTD_TRY(sys);
        for (const char* path : {"firmware", "devices/virtual/powercap"}) {
            PARTD_TRY(mask(sys->get(), path));
        }
        return place_.view().cgroup ? mount_groups() : Result<>();
    }

    // Mounted in its cgroup namespace: there is nothing above its own group (cgroup_namespaces(7)).
    Result<> mount_groups() {
        const std::uint64_t writing = place_.plan().delegated ? 0U : MOUNT_ATTR_RDONLY;
        const auto mount = [&] { return new_mount("cgroup2", MountOptions(), kQuiet | writing); };
        auto tree = mount();
        tree = tree ? std::move(tree) : mount();
        if (!tree) {
            // Refused twice, it is refused for good: a host of the first version, or one that shows its user
            // namespaces a part of the tree alone. There is nothing that a partition could see.
            return tree.error().is_shortage() ? std::unexpected(tree.error()) : Result<>();
        }
        // sysfs has the place. It is made where that of another network is not shown.
        auto place = place_.target("sys/fs/cgroup");
        PARTD_TRY(place);
        return attach(tree->get(), place->get());
    }

    Result<> mount_tmp() {
        return place_.mount_at("tmp", "tmpfs", place_.tmpfs("1777"), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
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
        auto tree = S_ISDIR(st.st_mode) ? new_mount("tmpfs", place_.tmpfs("0755"), kQuiet | MOUNT_ATTR_RDONLY)
                                        : clone_tree(null_.get(), false);
        PARTD_TRY(tree);
        return attach(tree->get(), place->get());
    }

    const RootPlace& place_;
    Fd null_;
};

}  // namespace

Result<> mount_system(const RootPlace& place) {
    return SystemMounts(place).run();
}

}  // namespace partd::kernel
