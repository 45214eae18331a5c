// SPDX-License-Identifier: Apache-2.0
#include "kinds/near.h"

#include "base/hint.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/link/interfaces.h"
#include "kinds/partition.h"

namespace partd {

std::string near_partition(const Declared& declared, std::string_view name,
                           std::vector<std::string_view> words) {
    for (const DeclaredObject* each : declared.all<Partition>()) {
        words.emplace_back(each->owner);
    }
    return did_you_mean(name, words);
}

std::string near_link(const Declared& declared, const std::string& partition, std::string_view name) {
    std::vector<std::string_view> names;
    for (const DeclaredObject* each : declared_links(declared, partition)) {
        names.emplace_back(each->name);
    }
    return did_you_mean(name, names);
}

std::string near_slice(const Declared& declared, std::string_view name) {
    std::vector<std::string_view> names;
    for (const DeclaredObject* each : declared.all<Limits>()) {
        if (each->declaration->path == "slice.*") {
            names.emplace_back(each->owner);
        }
    }
    return did_you_mean(name, names);
}

}  // namespace partd
