// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kernel/namespace/shared_memory.h"
#include "kernel/session/boot.h"
#include "kinds/machine/init.h"
#include "kinds/machine/mounted.h"
#include "kinds/namespace/membership.h"
#include "kinds/namespace/namespace.h"
#include "kinds/namespace/netns.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Namespace;
using std::chrono::milliseconds;

constexpr char kFromNote[] = "from.";
constexpr char kClockNote[] = "clocks";

// "web/uts", taken apart.
std::optional<std::pair<std::string, NamespaceKind>> parse_name(const std::string& name) {
    const auto slash = name.rfind('/');
    for (const NamespaceKind type : kernel::kNamespaceTypes) {
        if (slash != std::string::npos && name.substr(slash + 1) == kernel::namespace_name(type)) {
            return std::pair(name.substr(0, slash), type);
        }
    }
    return std::nullopt;
}

// Namespaces that are wanted or that partd made; without a ledger all that are pinned, except the pid and mnt
// namespaces of a PID 1.
std::set<std::string> names_to_look_at(const Observation& observation) {
    auto names = observation.names_of(kNamespace.kind);
    if (observation.ledger.lost) {
        const auto& pins = observation.host.pins();
        for (const std::string& partition : pins.names()) {
            const bool booted = !note_of(observation.host, partition, kInitNote).empty();
            for (const std::string& type : pins.names(partition)) {
                if (!booted || (type != "pid" && type != "mnt")) {
                    names.insert(partition + "/" + type);
                }
            }
        }
    }
    return names;
}

template <class T>
std::optional<HostName> host_name(const T& text) {
    return HostName(text.c_str());
}

// Reads the content of a namespace. Parts that never change are noted when it is made: reading them takes a
// process inside, for every observation.
Result<> read_content(Observation& observation, const Namespace& ns, PinnedNamespace& found) {
    if (found.type == NamespaceKind::User) {
        auto maps = maps_of(observation.host, found.partition, ns);
        PARTD_TRY(maps);
        found.uid_map = to_mappings(maps->uids);
        found.gid_map = to_mappings(maps->gids);
    } else if (found.type == NamespaceKind::Uts) {
        const auto names = kernel::read_names(ns);
        PARTD_TRY(names);
        found.hostname = host_name(names->host);
        found.domainname = host_name(names->domain);
    } else if (found.type == NamespaceKind::Time) {
        const std::string note = note_of(observation.host, found.partition, kClockNote);
        const auto noted = words(note);
        kernel::ClockOffsets offsets;
        if (noted.size() == 2) {
            offsets.monotonic = milliseconds(parse_number(noted[0]).value_or(0));
            offsets.boottime = milliseconds(parse_number(noted[1]).value_or(0));
        } else {
            auto read = kernel::read_offsets(ns);
            PARTD_TRY(read);
            offsets = *read;
        }
        found.boottime = offsets.boottime;
        found.monotonic = offsets.monotonic;
    } else if (found.type == NamespaceKind::Mnt) {
        const Resource* wanted = observation.desired.find(pin_key(found.partition, NamespaceKind::Mnt));
        found.root =
            renewed_root(note_of(observation.host, found.partition, kRootNote),
                         wanted == nullptr ? nullptr : &wanted->spec.as<PinnedNamespace>().wanted_root);
    }
    return {};
}

std::string from_note(NamespaceKind type) {
    return kFromNote + std::string(kernel::namespace_name(type));
}

// With whom it is shared, as long as the two are the same.
Result<std::string> observed_from(Observation& observation, const PinnedNamespace& found,
                                  const Namespace& ns) {
    const std::string from = note_of(observation.host, found.partition, from_note(found.type));
    if (from.empty()) {
        return "";
    }
    const auto theirs = open_namespace(observation.host, from, found.type);
    if (!theirs && theirs.error().is_shortage()) {
        return std::unexpected(theirs.error());
    }
    return theirs && theirs->identity() == ns.identity() ? from : "nobody any more";
}

// Adds the dependencies on the owner of a shared namespace: the sharer is removed first, since removal asks
// for the processes of both.
void add_giver(const std::string& from, NamespaceKind type, Resource& resource) {
    if (type == NamespaceKind::Net) {
        resource.depends_on.push_back(netns_key(from));
    } else if (type == NamespaceKind::Pid || type == NamespaceKind::Mnt) {
        resource.depends_on.push_back(init_key(from));
    }
    resource.depends_on.push_back(pin_key(from, type));
}

Result<> add_found(Observation& observation, PinnedNamespace found, const Namespace& ns) {
    auto from = observed_from(observation, found, ns);
    PARTD_TRY(from);
    found.from = std::move(*from);
    if (found.type == NamespaceKind::User) {
        observation.host.note_user(found.partition, ns.inode());
    }
    if (found.from.empty()) {
        if (found.type != NamespaceKind::User) {
            auto owner = owner_text(observation.host, found.partition, ns.fd());
            PARTD_TRY(owner);
            found.owner = std::move(*owner);
        }
        if (auto read = read_content(observation, ns, found); !read) {
            return std::unexpected(std::move(read).error().wrap(pin_name(found.partition, found.type)));
        }
    }
    const std::string name = pin_name(found.partition, found.type);
    Resource resource{.key = {&kNamespace.kind, name},
                      .owner = found.partition,
                      .exclusive_names = {name},
                      .marked = true,
                      .holder = fmt::format("{} is a namespace that partd did not make",
                                            observation.host.pins().path_of(name)),
                      .identity = ns.identity()};
    if (!found.from.empty()) {
        add_giver(found.from, found.type, resource);
    }
    // The user namespace goes last of all that it owns.
    if (found.type != NamespaceKind::User) {
        resource.depends_on.push_back(pin_key(found.partition, NamespaceKind::User));
    }
    resource.spec = Spec(std::move(found));
    observation.add(std::move(resource));
    return {};
}

Result<> observe_one(Observation& observation, const std::string& name) {
    using Entry = kernel::PinDirectory::Entry;
    const auto parsed = parse_name(name);
    if (!parsed) {
        return {};
    }
    const Resource* wanted = observation.desired.find({&kNamespace.kind, name});
    const LedgerEntry* known = observation.ledger.find({kNamespace.kind.name, name});
    const Entry entry = observation.host.pins().look(name, kernel::namespace_flag(parsed->second));
    PinnedNamespace found{.partition = parsed->first, .type = parsed->second};
    if (entry == Entry::Namespace) {
        auto opened = open_namespace(observation.host, found.partition, found.type);
        PARTD_TRY(opened);
        return add_found(observation, std::move(found), *opened);
    }
    if (entry == Entry::Other && wanted != nullptr) {
        observation.add_foreign(
            *wanted, observation.host.pins().path_of(name) + " is something else than its namespace");
        return {};
    }
    if (wanted != nullptr && known != nullptr) {
        const auto lost = find_lost(observation.host, found.partition, found.type, known->identity);
        PARTD_TRY(lost);
        if (*lost) {
            found.pinned = false;
            return add_found(observation, std::move(found), **lost);
        }
    }
    const bool made = known != nullptr || observation.ledger.lost;
    if (entry == Entry::Stale && wanted == nullptr && made) {
        observation.add(
            {.key = {&kNamespace.kind, name}, .spec = Spec(found), .owner = found.partition, .marked = true});
    }
    return {};
}

}  // namespace

Result<> observe_namespaces(Observation& observation) {
    const auto trouble = observation.host.pins().trouble();
    PARTD_TRY(trouble);
    if (*trouble) {
        observation.hidden = true;
        observation.for_wanted(kNamespace.kind,
                               [&](const Resource& wanted) { observation.add_foreign(wanted, **trouble); });
        return {};
    }
    auto looked_at = names_to_look_at(observation);
    std::vector<std::string> names(looked_at.begin(), looked_at.end());
    // User namespaces first: they own the others.
    std::ranges::stable_partition(names, [](const std::string& name) { return name.ends_with("/user"); });
    for (const std::string& name : names) {
        const auto parsed = parse_name(name);
        if (auto seen = observe_one(observation, name); !seen && parsed) {
            observation.add_unreadable(
                {&kNamespace.kind, name},
                Spec(PinnedNamespace{.partition = parsed->first, .type = parsed->second}), parsed->first,
                seen.error());
        }
    }
    return {};
}

namespace {

Result<Namespace> make_user(Stage& stage, const PinnedNamespace& wanted) {
    const auto maps = assign_maps(stage.host.paths(), wanted.partition, wanted.maps, !stage.rehearsal);
    auto made = maps ? kernel::make_user_namespace(*maps) : std::unexpected(maps.error());
    return made ? std::move(made) : std::unexpected(std::move(made).error().placed(wanted.maps.at.at));
}

Result<Namespace> make_time(const Namespace* owner, const PinnedNamespace& wanted) {
    auto made = kernel::make_time_namespace(
        owner, {wanted.monotonic.value_or(milliseconds(0)), wanted.boottime.value_or(milliseconds(0))});
    return made ? std::move(made) : std::unexpected(std::move(made).error().placed(wanted.clocks.at));
}

Result<Namespace> make_mnt(Stage& stage, const PinnedNamespace& wanted) {
    auto root = prepare_root(stage, wanted.partition, wanted.wanted_root, wanted.shown);
    PARTD_TRY(root);
    auto made = kernel::make_mount_namespace(root->joined(), root->plan, root->view());
    root->clean_up(stage.host.paths());
    return made;
}

Result<Namespace> make_plain(Stage& stage, const PinnedNamespace& wanted, const Namespace* owner) {
    // The group of a rehearsal may be one that is yet to be made; its namespace is like any other.
    const bool in_group = wanted.type == NamespaceKind::Cgroup && !stage.rehearsal;
    auto& host = stage.host;
    const auto enter = [&] { return host.cgroups().touch(host.group_of(wanted.partition)); };
    auto made = in_group ? kernel::make_namespace(wanted.type, owner, enter)
                         : kernel::make_namespace(wanted.type, owner);
    if (made && wanted.type == NamespaceKind::Uts) {
        PARTD_TRY(kernel::set_names(*made, wanted.hostname, wanted.domainname));
    }
    return made;
}

Result<Namespace> make(Stage& stage, const PinnedNamespace& wanted) {
    if (!wanted.from.empty()) {
        return stage.open(wanted.from, wanted.type);
    }
    auto user = stage.open_user(wanted.partition, wanted.owner == wanted.partition);
    PARTD_TRY(user);
    const Namespace* owner = *user ? &**user : nullptr;
    switch (wanted.type) {
        case NamespaceKind::User:
            return make_user(stage, wanted);
        case NamespaceKind::Time:
            return make_time(owner, wanted);
        case NamespaceKind::Mnt:
            return make_mnt(stage, wanted);
        default:
            return make_plain(stage, wanted, owner);
    }
}

// Written before the name stands: with it all of this is there.
Result<> write_notes(kernel::Host& host, const PinnedNamespace& wanted, const Namespace& made) {
    if (wanted.root) {
        PARTD_TRY(set_note(host, wanted.partition, kRootNote, *wanted.root));
    }
    if (wanted.boottime && wanted.monotonic) {
        PARTD_TRY(set_note(host, wanted.partition, kClockNote,
                           fmt::format("{} {}", wanted.monotonic->count(), wanted.boottime->count())));
    }
    if (wanted.type == NamespaceKind::User) {
        const auto maps = kernel::read_maps(made);
        PARTD_TRY(maps);
        PARTD_TRY(note_maps(host, wanted.partition, *maps));
    }
    return set_note(host, wanted.partition, from_note(wanted.type), wanted.from);
}

Result<> create(ApplyContext& context, const PinnedNamespace& wanted) {
    Stage stage{context.host};
    auto made = make(stage, wanted);
    PARTD_TRY(made);
    PARTD_TRY(write_notes(context.host, wanted, *made));
    return context.host.pins().pin(pin_name(wanted.partition, wanted.type), made->fd(),
                                   wanted.type == NamespaceKind::Mnt);
}

Result<> update(ApplyContext& context, const Change& change) {
    const PinnedNamespace& wanted = change.wanted.as<PinnedNamespace>();
    if (change.changes("pinned")) {
        const auto lost = find_lost(context.host, wanted.partition, wanted.type, change.identity);
        PARTD_TRY(lost);
        if (!*lost) {
            return fail("the last process in it has ended meanwhile");
        }
        PARTD_TRY(context.host.pins().pin(change.key.name, (*lost)->fd(), wanted.type == NamespaceKind::Mnt));
    }
    if (change.changes("hostname") || change.changes("domainname")) {
        const auto uts = open_namespace(context.host, wanted.partition, wanted.type);
        PARTD_TRY(uts);
        return kernel::set_names(*uts, wanted.hostname, wanted.domainname);
    }
    return {};
}

Result<> remove(ApplyContext& context, const PinnedNamespace& found, const std::string& name) {
    PARTD_TRY(end_residents(context, found.partition, found.type));
    if (found.type == NamespaceKind::User) {
        PARTD_TRY(free_range(context.host.paths(), found.partition));
    }
    if (found.type == NamespaceKind::Ipc && found.from.empty()) {
        PARTD_TRY(kernel::drop_shared_memory(context.host.pins(), name));
    }
    PARTD_TRY(context.host.pins().unpin(name));
    context.batch.at_end([&host = context.host] { host.pins().retire(); });
    return {};
}

}  // namespace

Result<> apply_namespace(ApplyContext& context, const Change& change, std::size_t) {
    context.batch.count_write();
    switch (change.action) {
        case Action::Create:
            return create(context, change.wanted.as<PinnedNamespace>());
        case Action::Update:
            return update(context, change);
        case Action::Remove:
            return remove(context, change.found.as<PinnedNamespace>(), change.key.name);
    }
    return {};
}

Result<> rehearse_namespace(Stage& stage, const Change& creation) {
    const auto& wanted = creation.wanted.as<PinnedNamespace>();
    auto made = make(stage, wanted);
    PARTD_TRY(made);
    stage.keep(wanted.partition, std::move(*made));
    return {};
}

namespace {

// The namespace of a process in the partition's control group that is asked for.
template <class IsIt>
Result<std::optional<Namespace>> find_inhabited(kernel::Host& host, const std::string& partition,
                                                NamespaceKind type, IsIt is_it) {
    const std::string group = host.group_of(partition);
    if (group.empty()) {
        return std::nullopt;
    }
    const auto processes = host.cgroups().processes(group);
    PARTD_TRY(processes);
    for (const pid_t process : *processes) {
        auto ns = Namespace::of_process(process, type);
        if (ns && is_it(*ns)) {
            return std::move(*ns);
        }
        if (!ns && ns.error().is_shortage()) {
            return std::unexpected(std::move(ns).error());
        }
    }
    return std::nullopt;
}

}  // namespace

Result<std::optional<Namespace>> find_lost(kernel::Host& host, const std::string& partition,
                                           NamespaceKind type, const std::string& identity) {
    if (identity.empty()) {
        return std::nullopt;
    }
    return find_inhabited(host, partition, type,
                          [&](const Namespace& ns) { return ns.identity() == identity; });
}

Result<std::optional<Namespace>> find_unknown(kernel::Host& host, const std::string& partition,
                                              NamespaceKind type) {
    const auto own = Namespace::current(type);
    PARTD_TRY(own);
    return find_inhabited(host, partition, type,
                          [&](const Namespace& ns) { return ns.identity() != own->identity(); });
}

}  // namespace partd
