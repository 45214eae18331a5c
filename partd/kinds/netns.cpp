#include "kinds/netns.h"

#include "kinds/marks.h"
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
    field<&NetworkNamespace::mark>("mark", "partd's mark on it", {.live = true}),
};

void expand(const Declared& declared, State& desired, Diagnostics&) {
    for (const DeclaredObject* object : declared.all<Partition>()) {
        if (object->spec.as<Partition>().has_netns()) {
            desired.add({.key = netns_key(object->owner),
                         .spec = Spec(NetworkNamespace{object->owner, true, mark_of(object->owner)}),
                         .owner = object->owner,
                         .source = object->source});
        }
    }
}

constexpr int kLoopback = 1;  // LOOPBACK_IFINDEX

std::set<std::string> names_to_look_at(const Look& look) {
    std::set<std::string> names;
    look.for_wanted(kNetns.kind, [&](const Resource& wanted) { names.insert(wanted.key.name); });
    for (const auto& [key, entry] : look.ledger.entries) {
        if (key.first == kNetns.kind.name) {
            names.insert(key.second);
        }
    }
    if (look.ledger.lost) {
        const auto all = look.host.directory().names();
        names.insert(all.begin(), all.end());
    }
    return names;
}

Result<> observe_one(Look& look, const std::string& name) {
    using Entry = kernel::NetnsDirectory::Entry;
    const Entry entry = look.host.directory().look(name);
    const Resource* wanted = look.desired.find(netns_key(name));
    if (entry == Entry::Other && wanted != nullptr) {
        look.add_foreign(*wanted,
                         look.host.directory().path_of(name) + " is something else than a network namespace");
    }
    const LedgerEntry* known = look.ledger.find(kNetns.kind.name, name);
    if (entry == Entry::Stale && wanted == nullptr && known != nullptr) {
        // Killed between unmount and unlink: the name is still ours to take away.
        look.add({.key = netns_key(name),
                  .spec = Spec(NetworkNamespace{name, false, ""}),
                  .owner = name,
                  .marked = true});
    }
    if (entry != Entry::Namespace) {
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
    Resource& found =
        look.add({.key = netns_key(name),
                  .spec = Spec(NetworkNamespace{name, lo->up, lo->alias}),
                  .owner = name,
                  .marked = lo->alias == mark_of(name),
                  .holder = fmt::format("{} is a network namespace that partd did not make (cookie {})",
                                        look.host.directory().path_of(name), (*netns)->cookie()),
                  .identity = std::to_string((*netns)->cookie())});
    if (found.standing == Standing::Ours) {
        look.netns.push_back(name);
    }
    return {};
}

Result<> observe(Look& look) {
    if (const auto trouble = look.host.directory().trouble()) {
        look.hidden = true;
        look.for_wanted(kNetns.kind, [&](const Resource& wanted) { look.add_foreign(wanted, *trouble); });
        return {};
    }
    for (const std::string& name : names_to_look_at(look)) {
        PARTD_TRY(observe_one(look, name));
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

// The interfaces of the host's whose other ends go with the namespace: the kernel takes them a moment later.
void wait_for_links(Doing& doing, const std::string& name) {
    std::set<int> indexes;
    const auto links = doing.host.links("");
    for (const kernel::Link& link : links ? **links : std::vector<kernel::Link>()) {
        const auto mark = parse_link_mark(link.alias);
        if (mark && mark->partition == name) {
            indexes.insert(link.index);
        }
    }
    if (!indexes.empty()) {
        doing.batch.at_end([&host = doing.host, indexes] { host.wait_until_gone(indexes); });
    }
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
    auto made = doing.host.directory().create(wanted.name, prepare);
    PARTD_TRY(made);
    doing.batch.count_write();
    doing.host.keep(wanted.name, std::move(*made));
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
            doing.batch.netlink((*netns)->route(), set_lo(change.wanted.as<NetworkNamespace>().mark), number);
            return {};
        }
        case Action::Remove:
            wait_for_links(doing, name);
            PARTD_TRY(doing.host.directory().remove(name));
            doing.batch.count_write();
            doing.host.release(name);
            doing.batch.at_end([&host = doing.host] { host.directory().retire(); });
            return {};
    }
    return {};
}

}  // namespace

constinit const Table NetworkNamespace::table = {"netns", "A network namespace under /run/netns.", kFields};

Key netns_key(const std::string& partition) {
    return {&kNetns.kind, partition};
}

constinit const LiveKind kNetns = {
    .kind = {.name = "netns", .table = &NetworkNamespace::table, .expand = expand},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
