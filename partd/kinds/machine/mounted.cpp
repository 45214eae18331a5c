// SPDX-License-Identifier: Apache-2.0
#include "kinds/machine/mounted.h"

#include "kernel/file/files.h"
#include "kernel/namespace/shared_memory.h"
#include "kinds/net/dns.h"

#include <algorithm>

namespace partd {

std::vector<NamespaceKind> shown_types(const Membership& membership) {
    std::vector<NamespaceKind> types = {NamespaceKind::Net, NamespaceKind::Ipc, NamespaceKind::Cgroup,
                                        NamespaceKind::User, NamespaceKind::Pid};
    // A pid namespace of its own comes with its PID 1, who brings it along.
    std::erase_if(types, [&](NamespaceKind type) {
        return !membership.has(type) || (type == NamespaceKind::Pid && membership.own.contains(type));
    });
    return types;
}

void add_shown_needs(const Declared& declared, const Membership& membership, Resource& resource) {
    const std::string& name = resource.owner;
    for (const NamespaceKind type : shown_types(membership)) {
        stands_in(resource, namespace_key(membership, name, type));
    }
    const auto rootfs = declared.all<Rootfs>(name);
    if (!rootfs.empty() && rootfs.front()->spec.as<Rootfs>().overlay == Overlay::Kept) {
        stands_in(resource, layer_key(name));
    }
    for (const std::string& file : dns_files(declared, name)) {
        resource.depends_on.push_back(dns_file_key(name, file));
    }
}

std::vector<const kernel::Namespace*> OpenedRoot::joined() const {
    std::vector<const kernel::Namespace*> all;
    std::ranges::transform(shown, std::back_inserter(all), [](const kernel::Namespace& ns) { return &ns; });
    return all;
}

kernel::RootView OpenedRoot::view() const {
    const auto shows = [&](NamespaceKind type) {
        return std::ranges::find(shown, type, &kernel::Namespace::type) != shown.end();
    };
    return {.user = user ? &*user : nullptr,
            .maps = maps,
            .net = shows(NamespaceKind::Net),
            .ipc = shows(NamespaceKind::Ipc),
            .pid = shows(NamespaceKind::Pid),
            .cgroup = shows(NamespaceKind::Cgroup)};
}

namespace {

// Beside the layers, since a file system that can hold one is not given everywhere.
std::string rehearsals(const kernel::Paths& paths) {
    return paths.layers() + "/.rehearsal";
}

Result<std::unique_ptr<kernel::RootRehearsal>> prepare_rehearsal(const kernel::Paths& paths,
                                                                 const std::string& partition,
                                                                 const WantedRoot& wanted, bool layered) {
    auto made = kernel::SharedPaths::make();
    PARTD_TRY(made);
    auto rehearsal = std::make_unique<kernel::RootRehearsal>(std::move(*made));
    rehearsal->etc = wanted.etc;
    if (layered) {
        rehearsal->layer = rehearsals(paths) + "/" + partition;
        PARTD_TRY(kernel::make_directories(paths.library(), 0711));
        PARTD_TRY(kernel::make_directories(paths.layers(), 0700));
        PARTD_TRY(kernel::make_directories(rehearsal->layer + "/work", 0700));
        PARTD_TRY(kernel::make_directories(rehearsal->layer + "/upper", 0755));
    }
    return rehearsal;
}

}  // namespace

void remove_rehearsals(const kernel::Paths& paths) {
    if (kernel::exists(rehearsals(paths))) {
        (void)kernel::remove_tree(rehearsals(paths));
        kernel::remove_empty_directory(paths.layers());
        kernel::remove_empty_directory(paths.library());
    }
}

void OpenedRoot::clean_up(const kernel::Paths& paths) const {
    if (rehearsal == nullptr) {
        return;
    }
    if (!rehearsal->layer.empty()) {
        remove_rehearsals(paths);
    } else if (!plan.path.empty()) {
        kernel::remove_made(plan.path, rehearsal->made);
    }
}

Result<OpenedRoot> prepare_root(Stage& stage, const std::string& partition, const WantedRoot& wanted,
                                const std::vector<NamespaceKind>& shown) {
    OpenedRoot root;
    for (const NamespaceKind type : shown) {
        auto opened = stage.open(partition, type);
        PARTD_TRY(opened);
        if (type != NamespaceKind::User) {
            root.shown.push_back(std::move(*opened));
            continue;
        }
        auto maps = stage.has_made(partition, type) ? kernel::read_maps(*opened)
                                                    : maps_of(stage.host, partition, *opened);
        PARTD_TRY(maps);
        root.maps = std::move(*maps);
        root.user = std::move(*opened);
    }
    PARTD_TRY(stage.host.pins().make_ready());
    root.plan = root_plan(stage.host, partition, wanted);
    // While it is rehearsed, one that nobody sees stands in.
    if (!stage.rehearsal && !wanted.memory_of.empty()) {
        const auto text = [](const kernel::IdMap& map) {
            return std::to_string(kernel::outside_id(map, 0).value_or(0));
        };
        auto memory = kernel::shared_memory(stage.host.pins(), pin_name(wanted.memory_of, NamespaceKind::Ipc),
                                            text(root.maps.uids), text(root.maps.gids));
        PARTD_TRY(memory);
        root.memory = std::move(*memory);
        root.plan.memory = root.memory.get();
    }
    if (stage.rehearsal) {
        auto rehearsal = prepare_rehearsal(stage.host.paths(), partition, wanted, !root.plan.layer.empty());
        PARTD_TRY(rehearsal);
        root.rehearsal = std::move(*rehearsal);
        root.plan.rehearsal = root.rehearsal.get();
    }
    return root;
}

}  // namespace partd
