#include "kernel/files.h"
#include "kernel/root_place.h"

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

// Images often have a link there, to a place that only a running system fills. What is written to a layer
// leaves the image as it is.
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

Result<> mount_bind(const RootPlace& place, const ExtraMount& mount, std::uint64_t attributes, bool idmap) {
    auto source = open_plain(mount.source);
    PARTD_TRY(source);
    struct stat st{};
    fstat(source->get(), &st);
    auto tree = clone_tree(source->get(), true);
    PARTD_TRY(tree);
    PARTD_TRY(set_propagation(tree->get(), MS_SLAVE));
    PARTD_TRY(set_attributes(tree->get(), attributes, true));
    if (idmap) {
        PARTD_TRY(map_ids(tree->get(), place.view().user->fd()));
    }
    auto spot = place.target(mount.target, S_ISDIR(st.st_mode));
    PARTD_TRY(spot);
    return attach(tree->get(), spot->get());
}

Result<> mount_extra(const RootPlace& place, const ExtraMount& mount) {
    std::uint64_t attributes = MOUNT_ATTR_NODEV | (mount.read_only ? MOUNT_ATTR_RDONLY : 0U);
    bool idmap = false;
    MountOptions options;
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
            idmap = place.view().user != nullptr;
        } else {
            options.emplace_back(option.substr(0, equals),
                                 equals == std::string::npos ? "" : option.substr(equals + 1));
        }
    }
    if (mount.type == "bind") {
        return mount_bind(place, mount, attributes, idmap);
    }
    if (mount.type == "tmpfs") {
        options.insert(options.begin(), {{"uid", place.uid()}, {"gid", place.gid()}});
    } else if (!mount.source.empty()) {
        options.insert(options.begin(), {"source", mount.source});
    }
    auto mounted = place.mount_at(mount.target, mount.type, options, attributes);
    if (!mounted && mounted.error().code == EBUSY && mount.type != "tmpfs" &&
        place.plan().rehearsal != nullptr) {
        // A device has one file system with one set of flags, and the running partition may be who has it
        // mounted by its own (mount(2), EBUSY). It ends before the root is made: another one stands in.
        return place.mount_at(mount.target, "tmpfs", place.tmpfs("0755"), MOUNT_ATTR_NODEV);
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
