// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/mount/mount_api.h"
#include "kernel/root/root.h"

#include <linux/mount.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace partd::kernel {

using MountOptions = std::vector<std::pair<std::string, std::string>>;

// No programs, devices or rights come from there.
inline constexpr std::uint64_t kQuiet = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// As long as it lives, files are made and looked up with the rights of the partition's root, and owned by it
// (setfsuid(2)).
class AsPartitionRoot {
public:
    explicit AsPartitionRoot(const UserMaps& maps);
    AsPartitionRoot(const AsPartitionRoot&) = delete;
    AsPartitionRoot& operator=(const AsPartitionRoot&) = delete;
    ~AsPartitionRoot();

private:
    int uid_, gid_;
};

// The root of a partition while it is put together: everything is reached by descriptors below it.
class RootPlace {
public:
    RootPlace(Fd root, const RootPlan& plan, const RootView& view)
        : root_(std::move(root)), plan_(plan), view_(view) {}

    [[nodiscard]] int root() const { return root_.get(); }
    [[nodiscard]] const RootPlan& plan() const { return plan_; }
    [[nodiscard]] const RootView& view() const { return view_; }
    // The place at that path, made when it is missing.
    [[nodiscard]] Result<Fd> target(const std::string& path, bool directory = true) const;
    // As target(), but follows symbolic links, for a path that a file names.
    [[nodiscard]] Result<Fd> named_target(const std::string& path, bool directory) const;
    // Mounts a new instance of a file system there.
    [[nodiscard]] Result<> mount_at(const std::string& path, const std::string& type,
                                    const MountOptions& options, std::uint64_t attributes) const;
    [[nodiscard]] Result<> mount_on(const Fd& place, const std::string& type, const MountOptions& options,
                                    std::uint64_t attributes) const;
    // The host's numbers of users and groups inside, as mount options.
    [[nodiscard]] std::string uid(std::uint32_t inside = 0) const;
    [[nodiscard]] std::string gid(std::uint32_t inside = 0) const;
    [[nodiscard]] MountOptions tmpfs(const char* mode) const;
    // Gives what is below the directory, or the directory itself for "", to the partition's root.
    [[nodiscard]] Result<> own(int directory, const char* name) const;

private:
    using Open = Result<Fd>(int, const std::string&, bool, const std::function<void(std::string_view)>&);
    [[nodiscard]] Result<Fd> open_by(Open& open, const std::string& path, bool directory) const;

    Fd root_;
    const RootPlan& plan_;
    const RootView& view_;
};

// The directory that becomes the root, plain or below a layer, on a mount that only this process sees; with
// its files' owners as the partition is to see them.
Result<Fd> assemble_root(const RootPlan& plan, const RootView& view);
// /dev, /proc, /sys and /tmp.
Result<> mount_system(const RootPlace& place);
// The files of /etc/netns/NAME, and the mounts that the administrator asked for.
Result<> mount_extras(const RootPlace& place);

}  // namespace partd::kernel
