// SPDX-License-Identifier: Apache-2.0
#include "kinds/cgroup/cgroup.h"

#include "base/names.h"
#include "base/text.h"
#include "kernel/cgroup/tree.h"
#include "kernel/file/files.h"
#include "kernel/process/processes.h"
#include "kinds/cgroup/v1.h"
#include "kinds/near.h"
#include "kinds/partition.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <set>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr char kTop[] = "partd.slice";

constexpr Field kCgroupFields[] = {
    field<&Cgroup::group>("group", "its path below the hierarchy's root",
                          {.role = Role::Identity, .live = true}),
    field<&Cgroup::mark>("mark", "whose it is", {.live = true}),
    field<&Cgroup::open>("open", "groups can be made below it", {.live = true}),
};

constexpr Declaration kLanguage[] = {declaration<Limits>("partition.*.cgroup"),
                                     declaration<Limits>("slice.*")};

Key cgroup_key(const std::string& group) {
    return {&kCgroup.kind, group};
}

const DeclaredObject* limits_of(const Declared& declared, std::string_view name) {
    const auto found = declared.all<Limits>(name);
    return found.empty() ? nullptr : found.front();
}

// The unit's name without its suffix, with those of the slices above before it: "partd-batch-crunch".
std::vector<std::string> chain_of(const Declared& declared, std::string_view name, unsigned depth = 0) {
    constexpr unsigned kMostDepth = 16;
    const DeclaredObject* object = limits_of(declared, name);
    const auto parent = object == nullptr ? std::nullopt : object->spec.as<Limits>().parent;
    std::vector<std::string> chain;
    if (parent && depth < kMostDepth) {
        chain = chain_of(declared, *parent, depth + 1);
    }
    const std::string above = chain.empty() ? "partd" : chain.back();
    chain.push_back(above + "-" + unit_escape(name));
    return chain;
}

bool is_slice(const DeclaredObject& object) {
    return object.declaration->path == "slice.*";
}

// True if following `parent` from this group leads back to a group already visited.
bool goes_in_circles(const Declared& declared, const std::string& name) {
    std::set<std::string> seen;
    std::optional<std::string> at = name;
    while (at && seen.insert(*at).second) {
        const DeclaredObject* object = limits_of(declared, *at);
        at = object != nullptr && object->spec.as<Limits>().parent
                 ? std::optional<std::string>(*object->spec.as<Limits>().parent)
                 : std::nullopt;
    }
    return at.has_value();
}

void check_parent(const Declared& declared, const DeclaredObject& object, Diagnostics& problems) {
    const auto& parent = object.spec.as<Limits>().parent;
    if (!parent) {
        return;
    }
    const DeclaredObject* found = limits_of(declared, *parent);
    if (found == nullptr || !is_slice(*found)) {
        problems.error(object.place("parent"),
                       fmt::format("{} stands below slice \"{}\", but there is no [slice.{}]{}", object.owner,
                                   *parent, *parent, near_slice(declared, *parent)));
    } else if (goes_in_circles(declared, object.owner)) {
        problems.error(object.place("parent"), fmt::format("{} stands below itself", object.owner));
    }
}

Resource& add_group(State& desired, const std::string& group, const std::string& owner,
                    const Source& source) {
    Resource resource{.key = cgroup_key(group),
                      .spec = Spec(Cgroup{group, owner.empty() ? "partd" : owner}),
                      .owner = owner,
                      .source = source};
    if (const std::size_t slash = group.rfind('/'); slash != std::string::npos) {
        resource.depends_on.push_back(cgroup_key(group.substr(0, slash)));
    }
    return desired.add(std::move(resource));
}

void check_devices(const DeclaredObject& object, Diagnostics& problems) {
    std::map<std::string, Source> seen;
    for (const auto& limit : object.spec.as<Limits>().io_max) {
        const std::string& device = limit.value.device;
        const auto number = split(device, ':');
        if (number.size() == 2 && parse_number(number[0]) && parse_number(number[1])) {
            continue;  // MAJOR:MINOR
        }
        if (!device.starts_with("/dev/") || device.contains("..") || words(device).size() != 1) {
            problems.error(limit.at, fmt::format("\"{}\" is not a path below /dev", device));
        }
        const auto [first, fresh] = seen.emplace(device, limit.at);
        if (!fresh) {
            problems.error(limit.at, fmt::format("{} has limits twice", device), first->second,
                           "the other ones");
        }
    }
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<Limits>()) {
        check_devices(*object, problems);
        check_parent(declared, *object, problems);
        if (is_slice(*object) && find_partition(declared, object->owner) != nullptr) {
            problems.error(object->source, fmt::format("slice {} has the name of a partition", object->owner),
                           find_partition(declared, object->owner)->source, "the partition");
        }
    }
    const auto add = [&](const DeclaredObject& object) {
        add_group(desired, kTop, "", object.source);
        add_group(desired, group_of(declared, object.owner), object.owner, object.source);
    };
    for (const DeclaredObject* object : declared.all<Partition>()) {
        add(*object);
    }
    for (const DeclaredObject* object : declared.all<Limits>()) {
        if (is_slice(*object)) {
            add(*object);
        }
    }
}

std::string what_is_in_the_way(const Observation& observation, const std::string& group) {
    if (observation.desired.find(cgroup_key(group)) != nullptr) {
        return {};
    }
    for (const std::string& directory : observation.host.cgroups().directories(group)) {
        if (const auto obstacle = kernel::find_obstacle(directory)) {
            return obstacle->text(directory);
        }
    }
    return {};
}

Result<> observe(Observation& observation) {
    const auto& cgroups = observation.host.cgroups();
    const auto take = [&](const kernel::MarkedGroup& seen) {
        const auto& [group, owner, identity, attributes] = seen;
        const bool anew = owner.empty() && cgroups.made_anew(group);
        // Of a removal that was killed.
        const bool closed = std::ranges::find(attributes, kernel::kClosedMark) != attributes.end();
        Resource found{.key = cgroup_key(group),
                       .spec = Spec(Cgroup{group, owner, what_is_in_the_way(observation, group), !closed}),
                       .owner = owner == "partd" ? "" : owner,
                       .pending_mark = true,
                       .marked = !owner.empty() || anew,
                       .holder = fmt::format("{} exists and was not made by partd", cgroups.home(group)),
                       .identity = anew ? "" : identity};
        if (const std::size_t slash = group.rfind('/'); slash != std::string::npos) {
            found.depends_on.push_back(cgroup_key(group.substr(0, slash)));
        }
        observation.add(std::move(found));
    };
    const auto groups = observation.groups();
    PARTD_TRY(groups);
    for (const kernel::MarkedGroup& group : *groups) {
        take(group);
    }
    observation.for_wanted(kCgroup.kind, [&](const Resource& wanted) {
        if (observation.observed.find(wanted.key) == nullptr && cgroups.present(wanted.key.name)) {
            take({.path = wanted.key.name, .identity = cgroups.identity(wanted.key.name)});
        }
    });
    // Killed between making it and marking it, and no file wants it any more: ours to remove while it is
    // empty.
    observation.for_known(kCgroup.kind, [&](const std::string& name, const LedgerEntry& entry) {
        if (entry.identity.empty() && observation.observed.find(cgroup_key(name)) == nullptr &&
            cgroups.present(name) && cgroups.processes(name).value_or(std::set<pid_t>()).empty()) {
            take({.path = name, .identity = cgroups.identity(name)});
        }
    });
    return {};
}

// The processes of a partition have ended by now, but those in groups of their own may have made others
// meanwhile. Whatever groups they made go, too; below a slice they are an administrator's, and stay.
Result<> remove(const kernel::Host& host, const std::string& group) {
    const auto& cgroups = host.cgroups();
    const auto policy = removal_policy(host, group);
    constexpr int kMostAttempts = 3;
    constexpr std::chrono::milliseconds kMoment{200};
    auto removed = cgroups.remove(group, policy.has_value());
    for (int attempt = 1; attempt < kMostAttempts && !removed; ++attempt) {
        const auto left = cgroups.processes_anywhere(group);
        if (policy != OnRemove::Stop || removed.error().code != EBUSY || !left || left->empty()) {
            break;
        }
        cgroups.kill(group);
        (void)kernel::end_processes(
            std::array{kernel::Termination{*left, cgroups.members(group), std::chrono::milliseconds(0)}},
            kMoment);
        removed = cgroups.remove(group, true);
    }
    return removed;
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t) {
    context.batch.count_write();
    const auto& cgroups = context.host.cgroups();
    if (change.action == Action::Remove) {
        return change.found.as<Cgroup>().mark.empty() && !cgroups.made_anew(change.key.name)
                   ? cgroups.remove_unmarked(change.key.name)
                   : remove(context.host, change.key.name);
    }
    const Cgroup& wanted = change.wanted.as<Cgroup>();
    if (change.action == Action::Update) {
        PARTD_TRY(kernel::open_again(cgroups.home(wanted.group)));
        return kernel::set_xattr(cgroups.home(wanted.group), kernel::kCgroupMark, wanted.mark);
    }
    PARTD_TRY(cgroups.create(wanted.group, wanted.mark));
    context.host.note_group(wanted.mark, wanted.group);
    return {};
}

}  // namespace

constinit const Table Cgroup::table = {"cgroup", "A control group.", kCgroupFields};

std::string group_of(const Declared& declared, std::string_view name) {
    std::string group = kTop;
    for (const std::string& unit : chain_of(declared, name)) {
        group += "/" + unit + ".slice";
    }
    return group;
}

constinit const LiveKind kCgroup = {
    .kind = {.name = "cgroup", .language = kLanguage, .expand = expand, .independent = true, .counts = true},
    .observe = observe,
    .apply = apply,
    .watch =
        [](const Resource& wanted, kernel::Host& host, std::vector<std::string>& topics) {
            for (const std::string& directory : host.cgroups().directories(wanted.key.name)) {
                topics.push_back(kernel::directory_topic(directory));
            }
        },
};

}  // namespace partd
