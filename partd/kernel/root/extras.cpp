// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/files.h"
#include "kernel/mount/mount_words.h"
#include "kernel/root/place.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// Replaces a symbolic link in /etc, which images often have for a file that only a running system fills. With
// a layer this leaves the image as it is; without one it is an error.
Result<Fd> in_place_of_link(const RootPlace& place, const std::string& name) {
    if (!place.plan().layered()) {
        return fail(
            ELOOP, fmt::format("/etc/{} in {} is a symbolic link: replace it by a file, or set overlay", name,
                               place.plan().path));
    }
    const AsPartitionRoot rights(place.view().maps);
    auto etc = open_target(place.root(), "etc", true);
    PARTD_TRY(etc);
    if (unlinkat(etc->get(), name.c_str(), 0) != 0) {
        return fail_errno("replace /etc/" + name);
    }
    return open_target(place.root(), "etc/" + name, false);
}

std::vector<std::string> etc_files(const RootPlan& plan) {
    auto names = list_directory(plan.etc).value_or(std::vector<std::string>());
    if (plan.rehearsal != nullptr) {
        std::ranges::copy_if(plan.rehearsal->etc, std::back_inserter(names), [&](const std::string& name) {
            return std::ranges::find(names, name) == names.end();
        });
    }
    return names;
}

// A file that is yet to be written has a stand-in while the root is only rehearsed.
Result<Fd> open_etc(const RootPlan& plan, const std::string& name) {
    auto source = open_plain(plan.etc + "/" + name);
    return !source && source.error().code == ENOENT && plan.rehearsal != nullptr ? open_plain("/dev/null")
                                                                                 : std::move(source);
}

Result<> mount_etc(const RootPlace& place) {
    for (const std::string& name : etc_files(place.plan())) {
        auto source = open_etc(place.plan(), name);
        PARTD_TRY(source);
        auto tree = clone_tree(source->get(), false);
        PARTD_TRY(tree);
        PARTD_TRY(set_propagation(tree->get(), MS_SLAVE));
        PARTD_TRY(set_attributes(tree->get(), kQuiet, false));
        auto spot = place.target("etc/" + name, false);
        if (!spot && spot.error().code == ELOOP) {
            spot = in_place_of_link(place, name);
        }
        PARTD_TRY(spot);
        PARTD_TRY(attach(tree->get(), spot->get()));
    }
    return {};
}

// With the host's root come the mounts that only this process sees, under the names of pins.
Result<> leave_stage_out(const Fd& attached, const std::string& source, const std::string& pins) {
    const std::string above = source.ends_with('/') ? source : source + "/";
    if (!pins.starts_with(above)) {
        return {};
    }
    if (fchdir(attached.get()) != 0) {
        return fail_errno("go to the copy of " + source);
    }
    while (umount2(pins.c_str() + above.size(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
    }
    return errno == EINVAL || errno == ENOENT ? Result<>() : fail_errno("unmount the pins in it");
}

Result<> mount_bind(const RootPlace& place, const ExtraMount& mount, const MountWords& words) {
    auto source = open_plain(mount.source);
    PARTD_TRY(source);
    struct stat st{};
    fstat(source->get(), &st);
    auto tree = clone_tree(source->get(), words.recursive);
    PARTD_TRY(tree);
    PARTD_TRY(set_propagation(tree->get(), MS_SLAVE));
    if (words.propagation != 0) {
        PARTD_TRY(set_propagation(tree->get(), words.propagation, words.all_below));
    }
    PARTD_TRY(set_attributes(tree->get(), words.set & ~static_cast<std::uint64_t>(MOUNT_ATTR__ATIME), true));
    if (words.access_times) {
        PARTD_TRY(set_access_times(tree->get(), words.set, true));
    }
    if (words.idmap && place.view().user != nullptr) {
        PARTD_TRY(map_ids(tree->get(), place.view().user->fd()));
    }
    auto spot = place.named_target(mount.target, S_ISDIR(st.st_mode));
    PARTD_TRY(spot);
    PARTD_TRY(attach(tree->get(), spot->get()));
    return leave_stage_out(*tree, mount.source, place.plan().pins);
}

Result<> mount_extra(const RootPlace& place, const ExtraMount& mount) {
    auto words = read_mount_words(mount.type, mount.options, mount.read_only);
    PARTD_TRY(words);
    if (mount.type == "bind") {
        return mount_bind(place, mount, *words);
    }
    MountOptions& options = words->own;
    if (mount.type == "tmpfs") {
        options.insert(options.begin(), {{"uid", place.uid()}, {"gid", place.gid()}});
    } else if (!mount.source.empty()) {
        options.insert(options.begin(), {"source", mount.source});
    }
    auto spot = place.named_target(mount.target, true);
    PARTD_TRY(spot);
    auto mounted = place.mount_on(*spot, mount.type, options, words->set);
    if (!mounted && mounted.error().code == EBUSY && mount.type != "tmpfs" &&
        place.plan().rehearsal != nullptr) {
        // A device has one file system with one set of flags, and the running partition may be who has it
        // mounted by its own (mount(2), EBUSY). It ends before the root is made: another one stands in.
        return place.mount_on(*spot, "tmpfs", place.tmpfs("0755"), MOUNT_ATTR_NODEV);
    }
    return mounted;
}

}  // namespace

Result<> mount_extras(const RootPlace& place) {
    PARTD_TRY(mount_etc(place));
    for (const ExtraMount& mount : place.plan().mounts) {
        if (auto mounted = mount_extra(place, mount); !mounted) {
            return std::unexpected(
                std::move(mounted).error().wrap("mount on " + mount.target).placed(mount.at));
        }
    }
    return {};
}

}  // namespace partd::kernel
