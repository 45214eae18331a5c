#include "kinds/partition.h"

#include "base/text.h"
#include "kernel/files.h"
#include "kernel/processes.h"
#include "kinds/cgroup.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kFields[] = {
    field<&Partition::name>("name", "its name", {.role = Role::Identity, .live = true}),
    field<&Partition::group>("group", "the cgroup its processes live in",
                             {.role = Role::Replace, .live = true}),
    field<&Partition::description>("description", "free text, shown by status", {.role = Role::Declared}),
    field<&Partition::namespaces>("namespaces",
                                  "the namespaces it has of its own; each is created and pinned",
                                  {.role = Role::Declared, .fallback = "[\"net\"]"}),
    field<&Partition::extends>("extends",
                               "a [template.NAME] whose keys it inherits, its own winning key by key",
                               {.role = Role::Declared}),
    field<&Partition::index>("index", "what {index} in its template stands for",
                             {.role = Role::Declared,
                              .min = 0,
                              .max = 65535,
                              .fallback = "its position among those that extend it, from 1"}),
    field<&Partition::reach>(
        "reach",
        "to whom its hosts may open connections through the host: \"outside\", names of partitions, \"any\"",
        {.role = Role::Declared, .fallback = "[\"outside\"] with masquerade, else []"}),
    field<&Partition::on_remove>("on_remove",
                                 "when no file declares it any more: \"stop\" ends its processes and removes "
                                 "it; \"refuse\" keeps it while "
                                 "processes live in it; \"keep\" lets go of it and leaves it",
                                 {.fallback = "stop"}),
    field<&Partition::stop_timeout>("stop_timeout", "how long its processes have between SIGTERM and SIGKILL",
                                    {.fallback = "10s"}),
    later("hostname"),
    later("domainname"),
    later("share"),
    later("owner"),
};

constexpr Declaration kLanguage[] = {declaration<Partition>("partition.*")};

// Kept on the cgroup, so that it is known when the file is gone.
constexpr char kMark[] = "trusted.partd.partition";

std::string encode(const Partition& partition) {
    return fmt::format("{} {}", Codec<OnRemove>::text(partition.on_remove), partition.stop_timeout.count());
}

std::optional<Partition> decode(const std::string& name, const std::string& group, std::string_view text) {
    const auto parts = words(text);
    const auto timeout = parts.size() == 2 ? parse_number(parts[1]) : std::nullopt;
    if (!timeout) {
        return std::nullopt;
    }
    Partition partition{.name = name, .group = group, .stop_timeout = std::chrono::milliseconds(*timeout)};
    for (const auto& word : EnumWords<OnRemove>::kWords) {
        if (word.word == parts[0]) {
            partition.on_remove = word.value;
        }
    }
    return partition;
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<Partition>()) {
        if (object->owner == "host" || object->owner == "any" || object->owner == "outside") {
            problems.error(
                object->source,
                fmt::format("partition \"{}\": the name has a meaning of its own; take another one",
                            object->owner));
        }
        Partition partition = object->spec.as<Partition>();
        for (const auto& target : partition.reach.value_or(std::vector<Sourced<Name>>())) {
            if (target.value != "outside" && target.value != "any" &&
                find_partition(declared, target.value) == nullptr) {
                problems.error(target.at,
                               fmt::format("partition {} reaches \"{}\", but there is no such partition",
                                           object->owner, target.value));
            }
        }
        partition.name = object->owner;
        partition.group = group_of(declared, object->owner);
        const Key group{&kCgroup.kind, partition.group};
        desired.add({.key = {&kPartition.kind, object->owner},
                     .spec = Spec(std::move(partition)),
                     .owner = object->owner,
                     .source = object->source,
                     .places = object->places,
                     .needs = {group},
                     .within = {group}});
    }
}

Result<> observe(Look& look) {
    for (const std::string& group : look.host.cgroups().marked()) {
        const std::string path = look.host.cgroups().home(group);
        const std::string name = look.host.cgroups().owner(group);
        const auto partition = decode(name, group, kernel::get_xattr(path, kMark));
        if (!partition) {
            continue;
        }
        Resource found{
            .key = {&kPartition.kind, name}, .spec = Spec(*partition), .owner = name, .marked = true};
        // Its processes go before anything that they may use.
        for (const Resource& resource : look.observed.all()) {
            if (resource.owner == name && resource.standing == Standing::Ours) {
                found.needs.push_back(resource.key);
            }
        }
        found.kept = partition->on_remove == OnRemove::Keep;
        look.add(std::move(found));
    }
    return {};
}

// Everybody in the partition's cgroup or network namespace.
std::set<pid_t> residents(Doing& doing, const Partition& partition) {
    auto found = doing.host.cgroups().processes(partition.group);
    if (const auto netns = doing.host.netns(partition.name)) {
        const auto [begin, end] = doing.processes().equal_range((*netns)->inode());
        std::transform(begin, end, std::inserter(found, found.end()),
                       [](const auto& entry) { return entry.second; });
    }
    return found;
}

std::string list_text(const std::set<pid_t>& pids) {
    constexpr std::size_t kShown = 5;
    std::vector<std::string> texts;
    for (const pid_t pid : pids) {
        if (texts.size() < kShown) {
            texts.push_back(std::to_string(pid));
        }
    }
    return fmt::format("{}{}", join(texts, ", "), pids.size() > kShown ? ", …" : "");
}

Result<> stop(Doing& doing, const Partition& partition) {
    const auto pids = residents(doing, partition);
    if (pids.empty()) {
        return {};
    }
    if (partition.on_remove == OnRemove::Refuse) {
        return std::unexpected(Error{.message = fmt::format("{} processes live in it ({}) and on_remove is "
                                                            "\"refuse\": end them first, or declare it again",
                                                            pids.size(), list_text(pids)),
                                     .refused = true});
    }
    doing.batch.count_write();
    const auto left = kernel::end_processes(pids, partition.stop_timeout);
    doing.host.cgroups().kill(partition.group);
    if (!left.empty()) {
        return fail(fmt::format("processes {} do not end", list_text(left)));
    }
    return {};
}

Result<> apply(Doing& doing, const Change& change, std::size_t) {
    if (change.action == Action::Remove) {
        return stop(doing, change.found.as<Partition>());
    }
    const Partition& wanted = change.wanted.as<Partition>();
    doing.batch.count_write();
    return kernel::set_xattr(doing.host.cgroups().home(wanted.group), kMark, encode(wanted));
}

}  // namespace

constinit const Table Partition::table = {
    "partition", "A partition: namespaces, links, rules and limits of its own.", kFields};

bool Partition::has_netns() const {
    return std::ranges::find(namespaces, NamespaceKind::Net) != namespaces.end();
}

const DeclaredObject* find_partition(const Declared& declared, std::string_view name) {
    const auto found = declared.all<Partition>(name);
    return found.empty() || name.empty() ? nullptr : found.front();
}

bool has_netns(const Declared& declared, std::string_view name) {
    const DeclaredObject* partition = find_partition(declared, name);
    return partition != nullptr && partition->spec.as<Partition>().has_netns();
}

constinit const LiveKind kPartition = {
    .kind = {.name = "partition",
             .table = &Partition::table,
             .language = kLanguage,
             .expand = expand,
             .counts = true},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
