#include "kinds/isolation/mounted.h"

#include "kinds/dns.h"

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
        resource.needs.push_back(dns_file_key(name, file));
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

Result<OpenedRoot> prepare_root(kernel::Host& host, const std::string& partition, const WantedRoot& wanted,
                                const std::vector<NamespaceKind>& shown) {
    OpenedRoot root;
    for (const NamespaceKind type : shown) {
        auto opened = open_namespace(host, partition, type);
        PARTD_TRY(opened);
        if (type != NamespaceKind::User) {
            root.shown.push_back(std::move(*opened));
            continue;
        }
        auto maps = maps_of(host, partition, *opened);
        PARTD_TRY(maps);
        root.maps = std::move(*maps);
        root.user = std::move(*opened);
    }
    PARTD_TRY(host.pins().make_ready());
    root.plan = root_plan(host, partition, wanted);
    return root;
}

}  // namespace partd
