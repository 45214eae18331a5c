// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/partition.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace partd {

// Which namespaces a partition has: those it names, those that other keys imply, and those it shares.
struct Membership {
    std::set<NamespaceKind> own;
    std::map<NamespaceKind, std::string> shared;  // with whom

    [[nodiscard]] bool has(NamespaceKind type) const { return own.contains(type) || shared.contains(type); }
};
Membership membership_of(const Declared& declared, const std::string& name);

// The resource that holds that namespace of the partition's: its netns, its init (pid, and mnt beside it), or
// a namespace of its own.
Key namespace_key(const Membership& membership, const std::string& partition, NamespaceKind type);
// Adds a need whose replacement is the resource's, too.
void stands_in(Resource& resource, const Key& container);
// "web/uts": its name below /run/partd/ns.
std::string pin_name(const std::string& partition, NamespaceKind type);
// The resource of that pin.
Key pin_key(const std::string& partition, NamespaceKind type);
// Opens the namespace that a partition has under its name, be it a netns or a pin.
Result<kernel::Namespace> open_namespace(kernel::Host& host, const std::string& partition,
                                         NamespaceKind type);
// The user namespace of a partition; nullopt when it has none.
Result<std::optional<kernel::Namespace>> open_user(kernel::Host& host, const std::string& partition,
                                                   bool wanted);

// Where namespaces of partitions are found while something is made from them: below their names; in a
// rehearsal first among those that were made for it, which nobody sees and which end with it.
struct Stage {
    kernel::Host& host;
    bool rehearsal = false;
    const Plan* plan = nullptr;                          // of a rehearsal
    std::map<std::string, kernel::Namespace> made = {};  // by pin_name()

    [[nodiscard]] bool has_made(const std::string& partition, NamespaceKind type) const {
        return made.contains(pin_name(partition, type));
    }
    Result<kernel::Namespace> open(const std::string& partition, NamespaceKind type);
    Result<std::optional<kernel::Namespace>> open_user(const std::string& partition, bool wanted);
    void keep(const std::string& partition, kernel::Namespace ns);
};

// The maps of a partition's user namespace, as noted when it was made.
Result<kernel::UserMaps> maps_of(kernel::Host& host, const std::string& partition,
                                 const kernel::Namespace& user);
Result<> note_maps(kernel::Host& host, const std::string& partition, const kernel::UserMaps& maps);
// Notes of parameters with which a partition's namespaces were made and that the kernel does not show. They
// are kept on its control group, which lives as long as they have processes. "" without a note.
std::string note_of(kernel::Host& host, const std::string& partition, const std::string& key);
Result<> set_note(kernel::Host& host, const std::string& partition, const std::string& key,
                  std::string_view text);
// The note of what its mount namespace shows.
inline constexpr char kRootNote[] = "root";

// Whose user namespace owns this one: that partition's name, "host", or "another".
Result<std::string> owner_text(kernel::Host& host, const std::string& partition, int ns);

// The partitions that share with each other or themselves, and what they share that the other has not.
void check_shares(const Declared& declared, Diagnostics& problems);

}  // namespace partd
