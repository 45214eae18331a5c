// SPDX-License-Identifier: Apache-2.0
#include "kernel/root/place.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include <fmt/format.h>

namespace partd::kernel {

AsPartitionRoot::AsPartitionRoot(const UserMaps& maps)
    : uid_(setfsuid(outside_id(maps.uids, 0).value_or(0))),
      gid_(setfsgid(outside_id(maps.gids, 0).value_or(0))) {}

AsPartitionRoot::~AsPartitionRoot() {
    setfsuid(static_cast<uid_t>(uid_));
    setfsgid(static_cast<gid_t>(gid_));
}

Result<Fd> RootPlace::open_by(Open& open, const std::string& path, bool directory) const {
    const AsPartitionRoot rights(view_.maps);
    // Files in a layer are removed with the rehearsal's layer; others are noted one by one.
    if (plan_.rehearsal == nullptr || plan_.layered()) {
        return open(root_.get(), path, directory, {});
    }
    return open(root_.get(), path, directory,
                [this](std::string_view made) { plan_.rehearsal->made.add(made); });
}

Result<Fd> RootPlace::target(const std::string& path, bool directory) const {
    return open_by(open_target, path, directory);
}

Result<Fd> RootPlace::named_target(const std::string& path, bool directory) const {
    return open_by(open_target_by_links, path, directory);
}

Result<> RootPlace::mount_at(const std::string& path, const std::string& type, const MountOptions& options,
                             std::uint64_t attributes) const {
    auto place = target(path);
    PARTD_TRY(place);
    return mount_on(*place, type, options, attributes);
}

Result<> RootPlace::mount_on(const Fd& place, const std::string& type, const MountOptions& options,
                             std::uint64_t attributes) const {
    auto tree = new_mount(type, options, attributes);
    PARTD_TRY(tree);
    if (type == "devpts" || type == "mqueue") {
        PARTD_TRY(own(tree->get(), ""));
    }
    return attach(tree->get(), place.get());
}

std::string RootPlace::uid(std::uint32_t inside) const {
    return std::to_string(outside_id(view_.maps.uids, inside).value_or(inside));
}

std::string RootPlace::gid(std::uint32_t inside) const {
    return std::to_string(outside_id(view_.maps.gids, inside).value_or(inside));
}

MountOptions RootPlace::tmpfs(const char* mode) const {
    return {{"mode", mode}, {"uid", uid()}, {"gid", gid()}};
}

Result<> RootPlace::own(int directory, const char* name) const {
    if (fchownat(directory, name, outside_id(view_.maps.uids, 0).value_or(0),
                 outside_id(view_.maps.gids, 0).value_or(0), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0) {
        return fail_errno(fmt::format("give /dev/{} to the partition's root", name));
    }
    return {};
}

}  // namespace partd::kernel
