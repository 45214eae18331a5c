// SPDX-License-Identifier: Apache-2.0
#include "kinds/namespace/membership.h"

#include "kernel/file/files.h"
#include "kernel/root/rehearsal.h"
#include "kinds/machine/init.h"
#include "kinds/machine/rootfs.h"
#include "kinds/namespace/namespace.h"
#include "kinds/namespace/netns.h"
#include "kinds/namespace/user.h"
#include "kinds/near.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd {

Membership membership_of(const Declared& declared, const std::string& name) {
    Membership all;
    const DeclaredObject* object = find_partition(declared, name);
    if (object == nullptr) {
        return all;
    }
    const Partition& partition = object->spec.as<Partition>();
    all.own.insert(partition.namespaces.begin(), partition.namespaces.end());
    const auto imply = [&](bool given, NamespaceKind type) {
        if (given) {
            all.own.insert(type);
        }
    };
    imply(partition.hostname || partition.domainname, NamespaceKind::Uts);
    imply(!declared.all<User>(name).empty(), NamespaceKind::User);
    imply(!declared.all<ClockSettings>(name).empty(), NamespaceKind::Time);
    imply(!declared.all<Rootfs>(name).empty(), NamespaceKind::Mnt);
    imply(!declared.all<InitCommand>(name).empty(), NamespaceKind::Pid);
    for (const NamespaceKind type : partition.share.namespaces) {
        all.own.erase(type);
        all.shared.emplace(type, partition.share.partition.value_or(Name()));
    }
    return all;
}

Key namespace_key(const Membership& membership, const std::string& partition, NamespaceKind type) {
    const bool own = membership.own.contains(type);
    if (own && type == NamespaceKind::Net) {
        return netns_key(partition);
    }
    const bool booted = type == NamespaceKind::Pid ||
                        (type == NamespaceKind::Mnt && membership.own.contains(NamespaceKind::Pid));
    return own && booted ? init_key(partition) : pin_key(partition, type);
}

void stands_in(Resource& resource, const Key& container) {
    resource.depends_on.push_back(container);
    resource.contained_in.push_back(container);
}

std::string pin_name(const std::string& partition, NamespaceKind type) {
    return fmt::format("{}/{}", partition, kernel::namespace_name(type));
}

Key pin_key(const std::string& partition, NamespaceKind type) {
    return {&kNamespace.kind, pin_name(partition, type)};
}

Result<kernel::Namespace> open_namespace(kernel::Host& host, const std::string& partition,
                                         NamespaceKind type) {
    auto pin = host.pins().open(pin_name(partition, type));
    if (pin) {
        return kernel::Namespace::from(std::move(*pin), type);
    }
    if (pin.error().code != ENOENT && pin.error().code != ENOTDIR) {
        return std::unexpected(std::move(pin).error());
    }
    if (type != NamespaceKind::Net) {
        return fail(fmt::format("partition {} has no {} namespace", partition, kernel::namespace_name(type)));
    }
    auto netns = host.directory().PinDirectory::open(partition);
    PARTD_TRY(netns);
    return kernel::Namespace::from(std::move(*netns), type);
}

Result<std::optional<kernel::Namespace>> open_user(kernel::Host& host, const std::string& partition,
                                                   bool wanted) {
    return Stage{host}.open_user(partition, wanted);
}

Result<kernel::Namespace> Stage::open(const std::string& partition, NamespaceKind type) {
    const auto own = made.find(pin_name(partition, type));
    if (own != made.end()) {
        return kernel::open_again(own->second);
    }
    auto opened = open_namespace(host, partition, type);
    // A name that is gone comes again before PID 1 does: in a rehearsal a new namespace stands in for it.
    const bool plain =
        type != NamespaceKind::User && type != NamespaceKind::Mnt && type != NamespaceKind::Pid;
    return !opened && opened.error().code == ENOENT && rehearsal && plain
               ? kernel::make_namespace(type, nullptr)
               : std::move(opened);
}

Result<std::optional<kernel::Namespace>> Stage::open_user(const std::string& partition, bool wanted) {
    if (!wanted) {
        return std::nullopt;
    }
    auto user = open(partition, NamespaceKind::User);
    PARTD_TRY(user);
    return std::optional(std::move(*user));
}

void Stage::keep(const std::string& partition, kernel::Namespace ns) {
    std::string name = pin_name(partition, ns.type());
    made.insert_or_assign(std::move(name), std::move(ns));
}

namespace {
constexpr char kUidNote[] = "uid_map";
constexpr char kGidNote[] = "gid_map";

std::string note_name(const std::string& key) {
    return std::string(kernel::kCgroupMark) + ".note." + key;
}
}  // namespace

std::string note_of(kernel::Host& host, const std::string& partition, const std::string& key) {
    const std::string group = host.group_of(partition);
    return group.empty() ? "" : kernel::get_xattr(host.cgroups().home(group), note_name(key));
}

Result<> set_note(kernel::Host& host, const std::string& partition, const std::string& key,
                  std::string_view text) {
    const std::string group = host.group_of(partition);
    return group.empty() ? fail("its control group is gone")
                         : kernel::set_xattr(host.cgroups().home(group), note_name(key), text);
}

Result<kernel::UserMaps> maps_of(kernel::Host& host, const std::string& partition,
                                 const kernel::Namespace& user) {
    const kernel::UserMaps noted{kernel::parse_id_map(note_of(host, partition, kUidNote)),
                                 kernel::parse_id_map(note_of(host, partition, kGidNote))};
    return noted.uids.empty() ? kernel::read_maps(user) : noted;
}

Result<> note_maps(kernel::Host& host, const std::string& partition, const kernel::UserMaps& maps) {
    PARTD_TRY(set_note(host, partition, kUidNote, kernel::id_map_text(maps.uids)));
    return set_note(host, partition, kGidNote, kernel::id_map_text(maps.gids));
}

Result<std::string> owner_text(kernel::Host& host, const std::string& partition, int ns) {
    const auto owner = kernel::owner_of(ns);
    PARTD_TRY(owner);
    if (*owner == host.user_namespace()) {
        return "host";
    }
    return *owner && *owner == host.user_of(partition) ? partition : "another";
}

namespace {

void check_share(const Declared& declared, const DeclaredObject& object, Diagnostics& problems) {
    const Partition& partition = object.spec.as<Partition>();
    const Share& share = partition.share;
    const auto error = [&](std::string_view place, const std::string& text) {
        problems.error(object.place(place), fmt::format("partition {}: {}", object.owner, text));
    };
    if (!share.partition || share.namespaces.empty()) {
        if (share.partition || !share.namespaces.empty()) {
            error("share.partition", "share needs both a partition and the namespaces to share with it");
        }
        return;
    }
    if (find_partition(declared, *share.partition) == nullptr || *share.partition == object.owner) {
        error(
            "share.partition",
            fmt::format("there is no other partition \"{}\" to share with{}", *share.partition,
                        *share.partition == object.owner ? "" : near_partition(declared, *share.partition)));
        return;
    }
    const Membership theirs = membership_of(declared, *share.partition);
    const bool explicit_list = &object.place("namespaces") != &object.source;
    for (const NamespaceKind type : share.namespaces) {
        const std::string word(kernel::namespace_name(type));
        if (!theirs.own.contains(type)) {
            error("share.namespaces",
                  fmt::format("{} has no {} namespace of its own to share", *share.partition, word));
        }
        if (explicit_list && std::ranges::find(partition.namespaces, type) != partition.namespaces.end()) {
            error("namespaces", fmt::format("\"{}\" is both its own and {}'s", word, *share.partition));
        }
    }
    const auto shares = [&](NamespaceKind type) {
        return std::ranges::find(share.namespaces, type) != share.namespaces.end();
    };
    const auto misplaced = [&](bool given, std::string_view key, NamespaceKind type) {
        if (given && shares(type)) {
            error(key, fmt::format("its {} namespace is {}'s: declare the {} there",
                                   kernel::namespace_name(type), *share.partition, key));
        }
    };
    misplaced(partition.hostname.has_value(), "hostname", NamespaceKind::Uts);
    misplaced(partition.domainname.has_value(), "domainname", NamespaceKind::Uts);
    misplaced(!declared.all<User>(object.owner).empty(), "user", NamespaceKind::User);
    misplaced(!declared.all<ClockSettings>(object.owner).empty(), "time", NamespaceKind::Time);
    misplaced(!declared.all<Rootfs>(object.owner).empty(), "rootfs", NamespaceKind::Mnt);
    misplaced(!declared.all<InitCommand>(object.owner).empty(), "init", NamespaceKind::Pid);
    // The kernel lets nobody into a namespace whose owner is not below its own user namespace.
    if (theirs.own.contains(NamespaceKind::User) && !shares(NamespaceKind::User) &&
        membership_of(declared, object.owner).own.contains(NamespaceKind::User)) {
        error("share.namespaces",
              fmt::format("the namespaces of {} belong to its user namespace: share \"user\" too",
                          *share.partition));
    }
}

}  // namespace

void check_shares(const Declared& declared, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<Partition>()) {
        check_share(declared, *object, problems);
    }
}

}  // namespace partd
