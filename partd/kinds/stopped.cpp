// SPDX-License-Identifier: Apache-2.0
#include "kinds/stopped.h"

#include "kinds/machine/rootfs.h"
#include "kinds/partition.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

namespace partd {

std::set<std::string> stopped_partitions(const Declared& declared, const std::set<std::string>& by_hand) {
    std::set<std::string> stopped;
    const auto all = declared.all<Partition>();
    for (const DeclaredObject* object : all) {
        if (object->spec.as<Partition>().enabled == false || by_hand.contains(object->owner)) {
            stopped.insert(object->owner);
        }
    }
    for (std::size_t known = 0; !stopped.empty() && known != stopped.size();) {
        known = stopped.size();
        for (const DeclaredObject* object : all) {
            const auto& with = object->spec.as<Partition>().share.partition;
            if (with && stopped.contains(*with)) {
                stopped.insert(object->owner);
            }
        }
    }
    return stopped;
}

void drop_owners(State& desired, const std::set<std::string>& owners) {
    if (owners.empty()) {
        return;
    }
    std::unordered_set<Key, KeyHash> gone;
    const auto is_gone = [&](const Key& key) { return gone.contains(key); };
    const auto goes = [&](const Resource& resource) {
        if (resource.key.kind == &kLayer.kind) {
            return false;
        }
        return owners.contains(resource.owner) ||
               (!resource.owner.empty() && (std::ranges::any_of(resource.depends_on, is_gone) ||
                                            std::ranges::any_of(resource.contained_in, is_gone)));
    };
    for (bool again = true; again;) {
        again = false;
        for (const Resource& resource : desired.all()) {
            again |= !is_gone(resource.key) && goes(resource) && gone.insert(resource.key).second;
        }
    }
    const std::vector<Key> keys(gone.begin(), gone.end());
    desired.erase(keys);
    for (Resource& resource : desired.all()) {  // shared ones, which others need as well
        std::erase_if(resource.depends_on, is_gone);
        std::erase_if(resource.contained_in, is_gone);
        std::erase_if(resource.precedes, is_gone);
    }
}

}  // namespace partd
