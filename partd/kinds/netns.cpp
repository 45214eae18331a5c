#include "kinds/netns.h"

#include "kinds/isolation/membership.h"
#include "kinds/marks.h"
#include "kinds/own_routes.h"
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

std::set<std::string> names_to_look_at(const Look& look) {
    auto names = look.names_of(kNetns.kind);
    if (look.ledger.lost) {
        const auto all = look.host.directory().names();
        names.insert(all.begin(), all.end());
    }
    return names;
}

// Finds a namespace whose name was taken away while processes of the partition live in it.
Result<bool> find_again(Look& look, const std::string& name, const LedgerEntry& known) {
    const std::string group = known.identity.empty() ? "" : look.host.group_of(name);
    if (group.empty()) {
        return false;
    }
    const auto processes = look.host.cgroups().processes(group);
    PARTD_TRY(processes);
    for (const pid_t process : *processes) {
        auto ns = kernel::Namespace::of_process(process, NamespaceKind::Net);
        if (!ns && ns.error().is_shortage()) {
            return std::unexpected(ns.error());
        }
        auto netns = ns ? kernel::Netns::from(std::move(*ns).release()) : std::unexpected(ns.error());
        if (netns && std::to_string(netns->cookie()) == known.identity) {
            look.host.keep(name, std::move(*netns));
            return true;
        }
    }
    return false;
}

Result<> observe_one(Look& look, const std::string& name) {
    using Entry = kernel::NetnsDirectory::Entry;
    const Entry entry = look.host.netns_entry(name);
    const Resource* wanted = look.desired.find(netns_key(name));
    if (entry == Entry::Other && wanted != nullptr) {
        look.add_foreign(*wanted,
                         look.host.directory().path_of(name) + " is something else than a network namespace");
    }
    const LedgerEntry* known = look.ledger.find({kNetns.kind.name, name});
    bool unnamed = false;
    if ((entry == Entry::Absent || entry == Entry::Stale) && wanted != nullptr && known != nullptr) {
        const auto again = find_again(look, name, *known);
        PARTD_TRY(again);
        unnamed = *again;
    }
    if (entry == Entry::Stale && wanted == nullptr && known != nullptr) {
        // Killed between unmount and unlink: the name is still ours to take away.
        look.add({.key = netns_key(name),
                  .spec = Spec(NetworkNamespace{name, false, ""}),
                  .owner = name,
                  .marked = true});
    }
    if (entry != Entry::Namespace && !unnamed) {
        return {};
    }
    auto netns = look.host.netns(name);
    PARTD_TRY(netns);
    auto links = look.host.links(name);
    PARTD_TRY(links);
    // By its index: its name is its users' to change.
    const auto lo = std::ranges::find(**links, kLoopback, &kernel::Link::index);
    if (lo == (*links)->end()) {
        return fail("network namespace " + name + " has no loopback interface");
    }
    auto owner = owner_text(look.host, name, (*netns)->fd());
    PARTD_TRY(owner);
    Resource& found =
        look.add({.key = netns_key(name),
                  .spec = Spec(NetworkNamespace{name, lo->up, lo->alias, std::move(*owner), !unnamed}),
                  .owner = name,
                  .marked = lo->alias == mark_of(name),
                  .holder = fmt::format("{} is a network namespace that partd did not make (cookie {})",
                                        look.host.directory().path_of(name), (*netns)->cookie()),
                  .identity = std::to_string((*netns)->cookie())});
    if (const Key user = pin_key(name, NamespaceKind::User); look.observed.find(user) != nullptr) {
        found.needs.push_back(user);
    }
    if (found.standing != Standing::Ours) {
        return {};
    }
    auto loopback = own_loopback(look, name, *lo);
    PARTD_TRY(loopback);
    NetworkNamespace spec = found.spec.as<NetworkNamespace>();
    spec.loopback = std::move(*loopback);
    found.spec = Spec(std::move(spec));
    look.netns.push_back(name);
    return {};
}

Result<> observe(Look& look) {
    const auto trouble = look.host.directory().trouble();
    PARTD_TRY(trouble);
    if (*trouble) {
        look.hidden = true;
        look.for_wanted(kNetns.kind, [&](const Resource& wanted) { look.add_foreign(wanted, **trouble); });
        return {};
    }
    for (const std::string& name : names_to_look_at(look)) {
        if (auto seen = observe_one(look, name); !seen) {
            look.add_unreadable(netns_key(name), Spec(NetworkNamespace{name, false, ""}), name, seen.error());
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

Result<> create(Doing& doing, const NetworkNamespace& wanted) {
    const auto prepare = [&](kernel::Netns& netns) -> Result<> {
        std::array messages = {set_lo(wanted.mark)};
        for (auto& error : netns.route().send(messages)) {
            if (error) {
                return std::unexpected(std::move(*error).wrap("set lo up"));
            }
        }
        return {};
    };
    auto user = open_user(doing.host, wanted.name, wanted.owner == wanted.name);
    PARTD_TRY(user);
    auto made = doing.host.directory().create(wanted.name, *user ? &**user : nullptr, prepare);
    PARTD_TRY(made);
    doing.batch.count_write();
    doing.host.keep(wanted.name, std::move(*made));
    return {};
}

void make_ahead(Doing& doing, std::span<const Change> wave) {
    constexpr std::ptrdiff_t kMany = 16;  // a thread costs as much as half a namespace
    const auto count = std::ranges::count_if(wave, [](const Change& change) {
        return change.key.kind == &kNetns.kind && change.action == Action::Create && !change.implied &&
               change.wanted.as<NetworkNamespace>().owner == "host";
    });
    if (count >= kMany) {
        doing.host.directory().expect(static_cast<std::size_t>(count));
        doing.batch.at_end([&host = doing.host] { host.directory().expect(0); });
    }
}

// The interfaces of the host's whose other ends go with the namespaces: the kernel takes them a moment later.
void wait_for_links(Doing& doing, std::span<const Change> wave) {
    std::set<std::string> leaving;
    for (const Change& change : wave) {
        if (change.key.kind == &kNetns.kind && change.action == Action::Remove) {
            leaving.insert(change.key.name);
        }
    }
    const auto links = leaving.empty() ? nullptr : doing.host.links_in_view("").value_or(nullptr);
    std::set<int> indexes;
    for (const kernel::Link& link : links == nullptr ? std::vector<kernel::Link>() : *links) {
        const auto mark = parse_link_mark(link.alias);
        if (mark && leaving.contains(mark->partition)) {
            indexes.insert(link.index);
        }
    }
    if (!indexes.empty()) {
        doing.batch.at_end([&host = doing.host, indexes] { host.wait_until_gone(indexes); });
    }
}

void begin(Doing& doing, std::span<const Change> wave) {
    make_ahead(doing, wave);
    wait_for_links(doing, wave);
}

Result<> remove(Doing& doing, const Change& change) {
    const std::string& name = change.key.name;
    if (change.found.as<NetworkNamespace>().owner != "host") {
        PARTD_TRY(end_residents(doing, name, NamespaceKind::Net));
    }
    const auto netns = doing.host.netns(name);
    if (!netns && netns.error().is_shortage()) {
        return std::unexpected(netns.error());
    }
    const bool is_it = netns && std::to_string((*netns)->cookie()) == change.identity;
    PARTD_TRY(doing.host.directory().unpin(name, is_it ? (*netns)->fd() : -1));
    doing.batch.count_write();
    doing.host.release(name);
    doing.batch.at_end([&host = doing.host] { host.directory().retire(); });
    return {};
}

Result<> apply(Doing& doing, const Change& change, std::size_t number) {
    const std::string& name = change.key.name;
    switch (change.action) {
        case Action::Create:
            return create(doing, change.wanted.as<NetworkNamespace>());
        case Action::Update: {
            auto netns = doing.host.netns(name);
            PARTD_TRY(netns);
            if (change.changes("pinned")) {
                doing.batch.count_write();
                PARTD_TRY(doing.host.directory().pin(name, (*netns)->fd()));
            }
            doing.batch.netlink((*netns)->route(), set_lo(change.wanted.as<NetworkNamespace>().mark), number);
            return change.changes("loopback") ? put_back_loopback(doing, name, number) : Result<>();
        }
        case Action::Remove:
            return remove(doing, change);
    }
    return {};
}

}  // namespace

constinit const Table NetworkNamespace::table = {"netns", "A network namespace under /run/netns.", kFields};

Key netns_key(const std::string& partition) {
    return {&kNetns.kind, partition};
}

constinit const LiveKind kNetns = {
    .kind = {.name = "netns", .expand = expand, .apart = true},
    .observe = observe,
    .apply = apply,
    .ends =
        [](Doing& doing, const Change& removal) {
            const auto& netns = removal.found.as<NetworkNamespace>();
            return netns.owner == "host" ? Result<std::set<pid_t>>()
                                         : residents_to_end(doing, netns.name, NamespaceKind::Net);
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
