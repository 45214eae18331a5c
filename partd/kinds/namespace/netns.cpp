// SPDX-License-Identifier: Apache-2.0
#include "kinds/namespace/netns.h"

#include "kinds/marks.h"
#include "kinds/namespace/membership.h"
#include "kinds/net/own_routes.h"
#include "kinds/partition.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Message;

constexpr Field kFields[] = {
    field<&NetworkNamespace::name>("name", "its name under /run/netns",
                                   {.role = Role::Identity, .live = true}),
    field<&NetworkNamespace::lo_up>("lo", "its loopback interface is up", {.live = true}),
    field<&NetworkNamespace::loopback>("loopback", "lo's own addresses and their routes", {.live = true}),
    field<&NetworkNamespace::mark>("mark", "partd's mark on it", {.live = true}),
    field<&NetworkNamespace::owner>("owner", "whose user namespace owns it",
                                    {.role = Role::Replace, .live = true}),
    field<&NetworkNamespace::pinned>("pinned", "its name under /run/netns stands for it", {.live = true}),
};

void expand(const Declared& declared, State& desired, Diagnostics&) {
    for (const DeclaredObject* object : declared.all<Partition>()) {
        const std::string& name = object->owner;
        const Membership membership = membership_of(declared, name);
        if (!membership.own.contains(NamespaceKind::Net)) {
            continue;
        }
        Resource resource{.key = netns_key(name), .owner = name, .source = object->source};
        const bool in_user = membership.has(NamespaceKind::User);
        if (in_user) {
            stands_in(resource, namespace_key(membership, name, NamespaceKind::User));
        }
        resource.spec = Spec(NetworkNamespace{name, true, mark_of(name), in_user ? name : "host"});
        desired.add(std::move(resource));
    }
}

constexpr int kLoopback = 1;  // LOOPBACK_IFINDEX

std::set<std::string> names_to_look_at(const Observation& observation) {
    auto names = observation.names_of(kNetns.kind);
    if (observation.ledger.lost) {
        const auto all = observation.host.directory().names();
        names.insert(all.begin(), all.end());
    }
    return names;
}

// Finds a namespace whose name was taken away while processes of the partition live in it.
Result<bool> find_again(Observation& observation, const std::string& name, const LedgerEntry& known) {
    const std::string group = known.identity.empty() ? "" : observation.host.group_of(name);
    if (group.empty()) {
        return false;
    }
    const auto processes = observation.host.cgroups().processes(group);
    PARTD_TRY(processes);
    for (const pid_t process : *processes) {
        auto ns = kernel::Namespace::of_process(process, NamespaceKind::Net);
        if (!ns && ns.error().is_shortage()) {
            return std::unexpected(ns.error());
        }
        auto netns = ns ? kernel::Netns::from(std::move(*ns).release()) : std::unexpected(ns.error());
        if (netns && std::to_string(netns->cookie()) == known.identity) {
            observation.host.keep(name, std::move(*netns));
            return true;
        }
    }
    return false;
}

Result<> observe_one(Observation& observation, const std::string& name) {
    using Entry = kernel::NetnsDirectory::Entry;
    const Entry entry = observation.host.netns_entry(name);
    const Resource* wanted = observation.desired.find(netns_key(name));
    if (entry == Entry::Other && wanted != nullptr) {
        observation.add_foreign(*wanted, observation.host.directory().path_of(name) +
                                             " is something else than a network namespace");
    }
    const LedgerEntry* known = observation.ledger.find({kNetns.kind.name, name});
    bool unnamed = false;
    if ((entry == Entry::Absent || entry == Entry::Stale) && wanted != nullptr && known != nullptr) {
        const auto again = find_again(observation, name, *known);
        PARTD_TRY(again);
        unnamed = *again;
    }
    if (entry == Entry::Stale && wanted == nullptr && known != nullptr) {
        // Killed between unmount and unlink: the name is still ours to take away.
        observation.add({.key = netns_key(name),
                         .spec = Spec(NetworkNamespace{name, false, ""}),
                         .owner = name,
                         .marked = true});
    }
    if (entry != Entry::Namespace && !unnamed) {
        return {};
    }
    auto netns = observation.host.netns(name);
    PARTD_TRY(netns);
    auto links = observation.host.links(name);
    PARTD_TRY(links);
    // By its index: its name is its users' to change.
    const auto lo = std::ranges::find(**links, kLoopback, &kernel::Link::index);
    if (lo == (*links)->end()) {
        return fail("network namespace " + name + " has no loopback interface");
    }
    auto owner = owner_text(observation.host, name, (*netns)->fd());
    PARTD_TRY(owner);
    Resource& found = observation.add(
        {.key = netns_key(name),
         .spec = Spec(NetworkNamespace{name, lo->up, lo->alias, std::move(*owner), !unnamed}),
         .owner = name,
         .marked = lo->alias == mark_of(name),
         .holder = fmt::format("{} is a network namespace that partd did not make: choose another name, or "
                               "remove it (ip netns delete {})",
                               observation.host.directory().path_of(name), name),
         .identity = std::to_string((*netns)->cookie())});
    if (const Key user = pin_key(name, NamespaceKind::User); observation.observed.find(user) != nullptr) {
        found.depends_on.push_back(user);
    }
    if (found.ownership != Ownership::Ours) {
        return {};
    }
    auto loopback = own_loopback(observation, name, *lo);
    PARTD_TRY(loopback);
    NetworkNamespace spec = found.spec.as<NetworkNamespace>();
    spec.loopback = std::move(*loopback);
    found.spec = Spec(std::move(spec));
    observation.netns.push_back(name);
    return {};
}

Result<> observe(Observation& observation) {
    const auto trouble = observation.host.directory().trouble();
    PARTD_TRY(trouble);
    if (*trouble) {
        observation.hidden = true;
        observation.for_wanted(kNetns.kind,
                               [&](const Resource& wanted) { observation.add_foreign(wanted, **trouble); });
        return {};
    }
    for (const std::string& name : names_to_look_at(observation)) {
        if (auto seen = observe_one(observation, name); !seen) {
            observation.add_unreadable(netns_key(name), Spec(NetworkNamespace{name, false, ""}), name,
                                       seen.error());
        }
    }
    return {};
}

Message set_lo(const std::string& mark) {
    Message message(RTM_SETLINK, 0);
    message.head(ifinfomsg{.ifi_family = AF_UNSPEC,
                           .__ifi_pad = 0,
                           .ifi_type = 0,
                           .ifi_index = kLoopback,
                           .ifi_flags = IFF_UP,
                           .ifi_change = IFF_UP});
    message.text(IFLA_IFALIAS, mark);
    return message;
}

Result<> create(ApplyContext& context, const NetworkNamespace& wanted) {
    const auto prepare = [&](kernel::Netns& netns) -> Result<> {
        std::array messages = {set_lo(wanted.mark)};
        for (auto& error : netns.route().send(messages)) {
            if (error) {
                return std::unexpected(std::move(*error).wrap("set lo up"));
            }
        }
        return {};
    };
    auto user = open_user(context.host, wanted.name, wanted.owner == wanted.name);
    PARTD_TRY(user);
    auto made = context.host.directory().create(wanted.name, *user ? &**user : nullptr, prepare);
    PARTD_TRY(made);
    context.batch.count_write();
    context.host.keep(wanted.name, std::move(*made));
    return {};
}

void make_ahead(ApplyContext& context, std::span<const Change> wave) {
    constexpr std::ptrdiff_t kMany = 16;  // a thread costs as much as half a namespace
    const auto count = std::ranges::count_if(wave, [](const Change& change) {
        return change.key.kind == &kNetns.kind && change.action == Action::Create && !change.implied &&
               change.wanted.as<NetworkNamespace>().owner == "host";
    });
    if (count >= kMany) {
        context.host.directory().expect(static_cast<std::size_t>(count));
        context.batch.at_end([&host = context.host] { host.directory().expect(0); });
    }
}

// The interfaces of the host's whose other ends go with the namespaces: the kernel takes them a moment later.
void wait_for_links(ApplyContext& context, std::span<const Change> wave) {
    std::set<std::string> leaving;
    for (const Change& change : wave) {
        if (change.key.kind == &kNetns.kind && change.action == Action::Remove) {
            leaving.insert(change.key.name);
        }
    }
    const auto links = leaving.empty() ? nullptr : context.host.links_in_view("").value_or(nullptr);
    std::set<int> indexes;
    for (const kernel::Link& link : links == nullptr ? std::vector<kernel::Link>() : *links) {
        const auto mark = parse_link_mark(link.alias);
        if (mark && leaving.contains(mark->partition)) {
            indexes.insert(link.index);
        }
    }
    if (!indexes.empty()) {
        context.batch.at_end([&host = context.host, indexes] { host.wait_until_gone(indexes); });
    }
}

void begin(ApplyContext& context, std::span<const Change> wave) {
    make_ahead(context, wave);
    wait_for_links(context, wave);
}

Result<> remove(ApplyContext& context, const Change& change) {
    const std::string& name = change.key.name;
    if (change.found.as<NetworkNamespace>().owner != "host") {
        PARTD_TRY(end_residents(context, name, NamespaceKind::Net));
    }
    const auto netns = context.host.netns(name);
    if (!netns && netns.error().is_shortage()) {
        return std::unexpected(netns.error());
    }
    const bool is_it = netns && std::to_string((*netns)->cookie()) == change.identity;
    PARTD_TRY(context.host.directory().unpin(name, is_it ? (*netns)->fd() : -1));
    context.batch.count_write();
    context.host.release(name);
    context.batch.at_end([&host = context.host] { host.directory().retire(); });
    return {};
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t number) {
    const std::string& name = change.key.name;
    switch (change.action) {
        case Action::Create:
            return create(context, change.wanted.as<NetworkNamespace>());
        case Action::Update: {
            auto netns = context.host.netns(name);
            PARTD_TRY(netns);
            if (change.changes("pinned")) {
                context.batch.count_write();
                PARTD_TRY(context.host.directory().pin(name, (*netns)->fd()));
            }
            context.batch.netlink((*netns)->route(), set_lo(change.wanted.as<NetworkNamespace>().mark),
                                  number);
            return change.changes("loopback") ? put_back_loopback(context, name, number) : Result<>();
        }
        case Action::Remove:
            return remove(context, change);
    }
    return {};
}

}  // namespace

constinit const Table NetworkNamespace::table = {"netns", "A network namespace under /run/netns.", kFields};

Key netns_key(const std::string& partition) {
    return {&kNetns.kind, partition};
}

constinit const LiveKind kNetns = {
    .kind = {.name = "netns", .expand = expand, .independent = true},
    .observe = observe,
    .apply = apply,
    .ends =
        [](ApplyContext& context, const Change& removal) {
            const auto& netns = removal.found.as<NetworkNamespace>();
            return netns.owner == "host" ? Result<std::set<pid_t>>()
                                         : residents_to_end(context, netns.name, NamespaceKind::Net);
        },
    .rehearse = [](Stage& stage, const Change& creation) -> Result<> {
        const auto& wanted = creation.wanted.as<NetworkNamespace>();
        auto user = stage.open_user(wanted.name, wanted.owner == wanted.name);
        PARTD_TRY(user);
        auto made = kernel::make_namespace(NamespaceKind::Net, *user ? &**user : nullptr);
        PARTD_TRY(made);
        stage.keep(wanted.name, std::move(*made));
        return {};
    },
    .begin = begin,
    .watch =
        [](const Resource& wanted, kernel::Host& host, std::vector<std::string>& topics) {
            const std::string& name = wanted.key.name;
            topics.push_back(kernel::mount_topic(host.directory().path_of(name)));
            if (const auto id = host.namespace_id(name)) {
                topics.push_back(kernel::namespace_topic(*id));
            }
        },
};

}  // namespace partd
