// SPDX-License-Identifier: Apache-2.0
#include "kinds/machine/exposure.h"

#include "base/text.h"
#include "kernel/root/look.h"
#include "kinds/machine/rootfs.h"
#include "kinds/namespace/membership.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

// `mapped`: the partition's root is the host's root there all the same (an id-mapped mount).
void take(std::vector<Exposure>& all, const DeclaredObject& object, const std::string& path, const Source& at,
          bool user, bool mapped) {
    const auto reach = kernel::reach_of(path);
    // A user namespace makes no device nodes.
    if (reach.others && !(reach.nosuid && (user || reach.nodev))) {
        all.push_back({object.owner, path, at, !user || mapped || reach.of_root});
    }
}

void take_all(std::vector<Exposure>& all, const Declared& declared, const DeclaredObject& object) {
    const Rootfs& rootfs = object.spec.as<Rootfs>();
    const bool user = membership_of(declared, object.owner).has(NamespaceKind::User);
    if (!rootfs.read_only && rootfs.overlay == Overlay::None) {
        take(all, object, rootfs.path, object.place("path"), user, false);
    }
    for (const auto& [mount, at] : rootfs.mounts) {
        const bool mapped = std::ranges::find(mount.options, "idmap") != mount.options.end();
        if (mount.type == "bind" && mount.source && !mount.read_only && (!user || mapped)) {
            take(all, object, *mount.source, at, user, mapped);
        }
    }
}

}  // namespace

std::string Exposure::text() const {
    return fmt::format(
        "partition {}: other users of the host reach {}, where its root writes: a set-user-ID program that "
        "it "
        "leaves there runs as {} for each of them. Put it below a directory that root alone may search "
        "(chmod 700)",
        partition, printable(path), as_root ? "the host's root" : "a user of the partition");
}

std::vector<Exposure> exposures(const Declared& declared, std::string_view partition) {
    std::vector<Exposure> all;
    for (const DeclaredObject* object : declared.all<Rootfs>()) {
        if (partition.empty() || object->owner == partition) {
            take_all(all, declared, *object);
        }
    }
    return all;
}

}  // namespace partd
