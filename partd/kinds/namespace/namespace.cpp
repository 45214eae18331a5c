// SPDX-License-Identifier: Apache-2.0
#include "kinds/namespace/namespace.h"

#include "kinds/cgroup/cgroup.h"
#include "kinds/machine/mounted.h"
#include "kinds/namespace/membership.h"

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kFields[] = {
    field<&PinnedNamespace::partition>("partition", "whose it is", {.role = Role::Identity, .live = true}),
    field<&PinnedNamespace::type>("type", "its type", {.role = Role::Identity, .live = true}),
    field<&PinnedNamespace::from>("from", "the partition that it is shared with",
                                  {.role = Role::Replace, .live = true}),
    field<&PinnedNamespace::owner>("owner", "whose user namespace owns it",
                                   {.role = Role::Replace, .live = true}),
    field<&PinnedNamespace::uid_map>("uid_map", "users inside and outside",
                                     {.role = Role::Replace, .live = true}),
    field<&PinnedNamespace::gid_map>("gid_map", "groups inside and outside",
                                     {.role = Role::Replace, .live = true}),
    field<&PinnedNamespace::boottime>("boottime", "how far ahead of the host's",
                                      {.role = Role::Replace, .live = true}),
    field<&PinnedNamespace::monotonic>("monotonic", "how far ahead of the host's",
                                       {.role = Role::Replace, .live = true}),
    field<&PinnedNamespace::root>("root", "what is mounted in it", {.role = Role::Replace, .live = true}),
    field<&PinnedNamespace::hostname>("hostname", "its host name", {.live = true}),
    field<&PinnedNamespace::domainname>("domainname", "its domain name", {.live = true}),
    field<&PinnedNamespace::pinned>("pinned", "its name below /run/partd/ns stands for it", {.live = true}),
};

constexpr Field kClockFields[] = {
    field<&ClockSettings::boottime>("boottime", "added to the host's CLOCK_BOOTTIME (uptime)",
                                    {.role = Role::Declared, .fallback = "0s"}),
    field<&ClockSettings::monotonic>("monotonic", "added to the host's CLOCK_MONOTONIC",
                                     {.role = Role::Declared, .fallback = "0s"}),
};

constexpr Declaration kLanguage[] = {declaration<User>("partition.*.user"),
                                     declaration<ClockSettings>("partition.*.time")};

using std::chrono::milliseconds;

// Adds the parameters with which a namespace of this type is made.
void add_own(const Declared& declared, const Membership& membership, Resource& resource,
             PinnedNamespace& wanted) {
    const std::string& name = wanted.partition;
    if (wanted.type != NamespaceKind::User) {
        wanted.owner = membership.has(NamespaceKind::User) ? name : "host";
        if (membership.has(NamespaceKind::User)) {
            stands_in(resource, namespace_key(membership, name, NamespaceKind::User));
        }
    }
    const Partition& partition = find_partition(declared, name)->spec.as<Partition>();
    if (wanted.type == NamespaceKind::User) {
        wanted.maps = wanted_maps(declared, name);
        wanted.uid_map = wanted.maps.uids;
        wanted.gid_map = wanted.maps.gids;
    } else if (wanted.type == NamespaceKind::Uts) {
        wanted.hostname = partition.hostname;
        wanted.domainname = partition.domainname;
    } else if (wanted.type == NamespaceKind::Cgroup) {
        // Its root is the group in which the process that makes it is.
        stands_in(resource, {&kCgroup.kind, group_of(declared, name)});
    } else if (wanted.type == NamespaceKind::Time) {
        const auto found = declared.all<ClockSettings>(name);
        const ClockSettings clock = found.empty() ? ClockSettings() : found.front()->spec.as<ClockSettings>();
        wanted.clocks = {found.empty() ? Source()
                                       : found.front()->place(clock.boottime ? "boottime" : "monotonic")};
        wanted.boottime = clock.boottime.value_or(milliseconds(0));
        wanted.monotonic = clock.monotonic.value_or(milliseconds(0));
    } else if (wanted.type == NamespaceKind::Mnt) {
        if (const auto rootfs = declared.all<Rootfs>(name); !rootfs.empty()) {
            resource.source = rootfs.front()->source;
        }
        wanted.wanted_root = wanted_root(declared, name);
        wanted.root = wanted.wanted_root.text;
        wanted.shown = shown_types(membership);
        add_shown_needs(declared, membership, resource);
    }
}

void expand_partition(const Declared& declared, const DeclaredObject& object, State& desired) {
    const std::string& name = object.owner;
    const Membership membership = membership_of(declared, name);
    const auto add = [&](NamespaceKind type, const std::string& from) {
        const Key key = namespace_key(membership, name, type);
        if (key.kind != &kNamespace.kind) {
            return;
        }
        Resource resource{.key = key,
                          .owner = name,
                          .source = object.source,
                          .depends_on = {{&kCgroup.kind, group_of(declared, name)}},
                          .exclusive_names = {pin_name(name, type)}};
        PinnedNamespace wanted{.partition = name, .type = type, .from = from};
        if (from.empty()) {
            add_own(declared, membership, resource, wanted);
        } else {
            stands_in(resource, namespace_key(membership_of(declared, from), from, type));
        }
        resource.spec = Spec(std::move(wanted));
        desired.add(std::move(resource));
    };
    for (const NamespaceKind type : membership.own) {
        add(type, "");
    }
    for (const auto& [type, from] : membership.shared) {
        add(type, from);
    }
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    check_shares(declared, problems);
    check_users(declared, problems);
    check_rootfs(declared, problems);
    for (const DeclaredObject* object : declared.all<Partition>()) {
        expand_partition(declared, *object, desired);
    }
}

// A limit's own hierarchy has to be there before a cgroup namespace is made in it.
void complete(const Declared&, State& desired, Diagnostics&) {
    std::unordered_map<std::string, std::vector<Key>> limits;
    for (const Resource& resource : desired.all()) {
        if (resource.key.kind == &kLimit.kind && !is_freeze(resource.key)) {
            limits[resource.owner].push_back(resource.key);
        }
    }
    for (Resource& resource : desired.all()) {
        if (resource.key.kind == &kNamespace.kind &&
            resource.spec.as<PinnedNamespace>().type == NamespaceKind::Cgroup) {
            const auto& own = limits[resource.owner];
            resource.depends_on.insert(resource.depends_on.end(), own.begin(), own.end());
        }
    }
}

std::string summary(const Spec& spec) {
    const auto& ns = spec.as<PinnedNamespace>();
    return ns.from.empty() ? ns.hostname.value_or(HostName()) : fmt::format("of {}", ns.from);
}

// Ids named in one user namespace are excluded from the automatic ranges of all others.
bool has_ids(const Resource& ns) {
    return ns.spec.as<PinnedNamespace>().type == NamespaceKind::User;
}

}  // namespace

constinit const Table PinnedNamespace::table = {"namespace", "A namespace of a partition.", kFields};
constinit const Table ClockSettings::table = {"time",
                                              "Offsets of its clocks (time_namespaces(7)); the time of day "
                                              "is the host's. Implies the namespace \"time\".",
                                              kClockFields};

constinit const LiveKind kNamespace = {
    .kind = {.name = "namespace",
             .language = kLanguage,
             .expand = expand,
             .complete = complete,
             .summary = summary,
             .independent = true,
             .interacts = [](const Resource& one,
                             const Resource& other) { return has_ids(one) && has_ids(other); }},
    .observe = observe_namespaces,
    .apply = apply_namespace,
    .ends =
        [](ApplyContext& context, const Change& removal) {
            const auto& ns = removal.found.as<PinnedNamespace>();
            return residents_to_end(context, ns.partition, ns.type);
        },
    .rehearse = rehearse_namespace,
    .watch =
        [](const Resource& wanted, kernel::Host& host, std::vector<std::string>& topics) {
            topics.push_back(kernel::mount_topic(host.pins().path_of(wanted.key.name)));
        },
};

}  // namespace partd
