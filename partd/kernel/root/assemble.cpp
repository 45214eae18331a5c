// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/files.h"
#include "kernel/layer/layer_ids.h"
#include "kernel/root/place.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

namespace partd::kernel {

namespace {

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

class Assembly {
public:
    Assembly(const RootPlan& plan, const RootView& view) : plan_(plan), view_(view) {}

    Result<Fd> run() {
        PARTD_TRY(make_stage());
        return plan_.layered() ? layered_root() : plain_root();
    }

private:
    // A place to put things together, which only this process sees.
    Result<> make_stage() {
        auto place = open_directory(plan_.pins, false);
        PARTD_TRY(place);
        auto tree = new_mount("tmpfs", MountOptions{{"mode", "0711"}}, kQuiet);
        PARTD_TRY(tree);
        PARTD_TRY(attach(tree->get(), place->get()));
        for (const char* name : {"lower", "used", "layer", "root"}) {
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
        // Device nodes of an image must not give access to the host's devices.
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
        auto layer = plan_.temporary ? temporary_layer() : kept_layer();
        PARTD_TRY(layer);
        PARTD_TRY(put_on_stage(*lower, "lower"));
        PARTD_TRY(put_on_stage(*layer, "layer"));
        if (plan_.rehearsal != nullptr && !plan_.temporary && exists(plan_.layer)) {
            PARTD_TRY(show_layer_in_use());
        }
        // Names without a comma or colon, whatever the real ones are.
        if (fchdir(stage_.get()) != 0) {
            return fail_errno("go to the stage");
        }
        auto merged = mount_overlay();
        if (!merged && merged.error().code == ELOOP && plan_.rehearsal != nullptr) {
            // The layer in use lies below the tree itself: one overlay does not take both.
            lower_names_ = kLower;
            merged = mount_overlay();
        }
        PARTD_TRY(merged);
        return put_on_stage(*merged, "root");
    }

    Result<Fd> kept_layer() {
        const std::string& path = plan_.rehearsal != nullptr ? plan_.rehearsal->layer : plan_.layer;
        auto layer = open_plain(path);
        PARTD_TRY(layer);
        // Owner and mode of the root itself come from the upper directory.
        auto upper = open_below(layer->get(), "upper", O_RDONLY | O_DIRECTORY);
        PARTD_TRY(upper);
        auto work = open_below(layer->get(), "work", O_RDONLY | O_DIRECTORY);
        PARTD_TRY(work);
        auto prepared = prepare_layer(upper->get(), work->get(), lower_, shifted_, view_.maps);
        if (!prepared) {
            return std::unexpected(std::move(prepared).error().wrap(path));
        }
        return tree_of(*layer, false);
    }

    // In memory, and gone with the mount. Its files' owners are stored as the host's numbers.
    Result<Fd> temporary_layer() {
        auto layer = new_mount("tmpfs", MountOptions{{"mode", "0700"}}, MOUNT_ATTR_NODEV);
        PARTD_TRY(layer);
        const uid_t uid = shifted_ ? outside_id(view_.maps.uids, 0).value_or(0) : lower_.st_uid;
        const gid_t gid = shifted_ ? outside_id(view_.maps.gids, 0).value_or(0) : lower_.st_gid;
        for (const char* name : {"upper", "work"}) {
            if (mkdirat(layer->get(), name, 0755) != 0 ||
                fchownat(layer->get(), name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
                return fail_errno("make the temporary layer");
            }
        }
        if (fchmodat(layer->get(), "upper", lower_.st_mode & 07777U, 0) != 0 ||
            (shifted_ && fchownat(layer->get(), "", uid, gid, AT_EMPTY_PATH) != 0)) {
            return fail_errno("make the temporary layer");
        }
        return layer;
    }

    // Nothing may write to a layer beside the partition that has it: another one is below and only read.
    Result<> show_layer_in_use() {
        auto layer = open_plain(plan_.layer);
        PARTD_TRY(layer);
        auto upper = open_below(layer->get(), "upper", O_RDONLY | O_DIRECTORY);
        PARTD_TRY(upper);
        // The layer that is written to in its place is new, and has no owners that could differ.
        if (auto noted = has_layer_ids(upper->get(), shifted_, view_.maps); !noted) {
            return std::unexpected(std::move(noted).error().wrap(plan_.layer));
        }
        auto tree = tree_of(*layer, false);
        PARTD_TRY(tree);
        PARTD_TRY(put_on_stage(*tree, "used"));
        lower_names_ = "used/upper:lower";
        return {};
    }

    Result<Fd> mount_overlay() {
        std::optional<AsPartitionRoot> owner;
        if (shifted_) {
            owner.emplace(view_.maps);
            PARTD_TRY(regain_file_rights());
        }
        return new_mount("overlay",
                         MountOptions{{"lowerdir", lower_names_},
                                      {"upperdir", "layer/upper"},
                                      {"workdir", "layer/work"},
                                      // Whatever the module's defaults: what is written is whole in itself,
                                      // and stays good when the tree below becomes another one.
                                      {"index", "off"},
                                      {"metacopy", "off"}},
                         MOUNT_ATTR_NODEV);
    }

    const RootPlan& plan_;
    const RootView& view_;
    struct stat lower_{};
    bool shifted_ = false;
    static constexpr char kLower[] = "lower";
    std::string lower_names_ = kLower;
    Fd stage_;
};

}  // namespace

Result<Fd> assemble_root(const RootPlan& plan, const RootView& view) {
    return Assembly(plan, view).run();
}

}  // namespace partd::kernel
