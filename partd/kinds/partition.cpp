// SPDX-License-Identifier: Apache-2.0
#include "kinds/partition.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/process/farewell.h"
#include "kernel/process/init_search.h"
#include "kernel/process/processes.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/machine/init.h"
#include "kinds/namespace/membership.h"
#include "kinds/service/service.h"

#include <algorithm>
#include <cctype>
#include <map>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kFields[] = {
    field<&Partition::name>("name", "its name", {.role = Role::Identity, .live = true}),
    field<&Partition::group>("group", "the cgroup its processes live in",
                             {.role = Role::Replace, .live = true}),
    field<&Partition::isolation>("isolation", "the namespaces that it has or shares", {.live = true}),
    field<&Partition::stop_signal>("stop_signal", "the signal that asks its PID 1 to end", {.live = true}),
    field<&Partition::enabled>("enabled",
                               "false: declared and stopped. Its processes, namespaces, links and rules are "
                               "gone, and those of other "
                               "partitions that stand in them; its layer stays on disk",
                               {.role = Role::Declared, .fallback = "true"}),
    field<&Partition::description>("description", "free text, shown by status", {.role = Role::Declared}),
    field<&Partition::namespaces>("namespaces",
                                  "namespaces of its own, out of net, mnt, pid, uts, ipc, user, cgroup and "
                                  "time; each has a name below /run/partd/ns (net: /run/netns)",
                                  {.role = Role::Declared, .fallback = "[\"net\"]"}),
    field<&Partition::hostname>("hostname", "its host name; implies the namespace \"uts\"",
                                {.role = Role::Declared}),
    field<&Partition::domainname>("domainname", "its NIS domain name; implies the namespace \"uts\"",
                                  {.role = Role::Declared}),
    field<&Partition::share, &Share::partition>(
        "share.partition", "the partition whose namespaces it uses (a pod)", {.role = Role::Declared}),
    field<&Partition::share, &Share::namespaces>("share.namespaces",
                                                 "namespaces of that partition that it uses in place of its "
                                                 "own; their links, host name or uid map are declared there",
                                                 {.role = Role::Declared}),
    field<&Partition::extends>(
        "extends", "a [template.NAME] whose keys it inherits; its own keys take precedence, key by key",
        {.role = Role::Declared}),
    field<&Partition::index>(
        "index", "value of {index} in its template",
        {.role = Role::Declared,
         .min = 0,
         .max = 65535,
         .fallback = "its position among the partitions that extend the template, from 1"}),
    field<&Partition::reach>(
        "reach",
        "destinations to which it may open connections: \"host\" (the host's own services), \"outside\", "
        "names of partitions, addresses and prefixes (whoever has them), \"any\"; each also as { to, match "
        "}, "
        "limited to packets like \"tcp/443\", \"udp/5000-5010\", \"tcp\", \"icmp\". [] is nobody",
        {.role = Role::Declared, .fallback = "[\"host\"], with masquerade or snat [\"host\", \"outside\"]"}),
    field<&Partition::admit>(
        "admit",
        "those who may open connections to its own addresses through the host, without a forward: "
        "\"outside\", names of partitions, addresses and prefixes, \"any\"; each also as { from, match }",
        {.role = Role::Declared, .fallback = "[]"}),
    field<&Partition::on_remove>(
        "on_remove",
        "action when no file declares it any more, or a namespace that its processes live in is made anew: "
        "\"stop\" ends the processes; \"refuse\" is an error while they live; \"keep\" is an error too when "
        "a namespace is made anew, and lets go of a partition that is no longer declared",
        {.fallback = "stop"}),
    field<&Partition::stop_timeout>(
        "stop_timeout", "time that its processes have between SIGTERM and SIGKILL", {.fallback = "10s"}),
    reserved("owner"),
};

constexpr Declaration kLanguage[] = {declaration<Partition>("partition.*")};

// Kept on the cgroup, so that it is known when the file is gone.
constexpr char kMark[] = "trusted.partd.partition";

// Before the name of the signal, where one is declared.
const std::string kSignal = "signal=";

std::string encode(const Partition& partition) {
    const std::string signal = partition.stop_signal.empty() ? "" : kSignal + partition.stop_signal + " ";
    return fmt::format("{} {} {}{}", Codec<OnRemove>::text(partition.on_remove),
                       partition.stop_timeout.count(), signal, partition.isolation);
}

std::string isolation_text(const Membership& membership) {
    std::vector<std::string> words;
    for (const NamespaceKind type : kernel::kNamespaceTypes) {
        if (membership.has(type)) {
            words.emplace_back(kernel::namespace_name(type));
        }
    }
    return join(words, " ");
}

std::optional<Partition> decode(const std::string& name, const std::string& group, std::string_view text) {
    const auto parts = words(text);
    const auto timeout = parts.size() >= 2 ? parse_number(parts[1]) : std::nullopt;
    if (!timeout) {
        return std::nullopt;
    }
    Partition partition{.name = name, .group = group, .stop_timeout = std::chrono::milliseconds(*timeout)};
    const bool signal = parts.size() > 2 && parts[2].starts_with(kSignal);
    if (signal) {
        partition.stop_signal = parts[2].substr(kSignal.size());
    }
    partition.isolation = join(std::vector<std::string>(parts.begin() + (signal ? 3 : 2), parts.end()), " ");
    for (const auto& word : EnumWords<OnRemove>::kWords) {
        if (word.word == parts[0]) {
            partition.on_remove = word.value;
        }
    }
    return partition;
}

std::string policy_mark(const kernel::Host& host, const std::string& group) {
    return kernel::get_xattr(host.cgroups().home(group), kMark);
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
        if (partition.enabled == false && partition.on_remove == OnRemove::Keep) {
            problems.error(
                object->place("enabled"),
                fmt::format("partition {}: on_remove is \"keep\", and what is kept is not stopped: "
                            "take on_remove = \"stop\"",
                            object->owner));
        }
        for (const DeclaredObject* init : declared.all<InitCommand>(object->owner)) {
            partition.stop_signal = init->spec.as<InitCommand>().stop_signal.value_or("");
        }
        partition.name = object->owner;
        partition.group = group_of(declared, object->owner);
        partition.isolation = isolation_text(membership_of(declared, object->owner));
        const Key group{&kCgroup.kind, partition.group};
        desired.add({.key = {&kPartition.kind, object->owner},
                     .spec = Spec(std::move(partition)),
                     .owner = object->owner,
                     .source = object->source,
                     .places = object->places,
                     .depends_on = {group},
                     .contained_in = {group}});
    }
}

Result<> observe(Observation& observation) {
    std::multimap<std::string, Key> owned;
    for (const Resource& resource : observation.observed.all()) {
        if (resource.ownership == Ownership::Ours) {
            owned.emplace(resource.owner, resource.key);
        }
    }
    const auto groups = observation.groups();
    PARTD_TRY(groups);
    for (const auto& [group, name, identity, attributes] : *groups) {
        const auto partition = decode(name, group, policy_mark(observation.host, group));
        if (!partition) {
            continue;
        }
        Resource found{
            .key = {&kPartition.kind, name}, .spec = Spec(*partition), .owner = name, .marked = true};
        // Its processes go before anything that they may use, but after the services, which have a place to
        // go back to.
        for (auto [own, last] = owned.equal_range(name); own != last; ++own) {
            if (own->second.kind != &kService.kind) {
                found.depends_on.push_back(own->second);
            }
        }
        found.kept = partition->on_remove == OnRemove::Keep;
        observation.add(std::move(found));
    }
    return {};
}

// Everybody in the partition's cgroup or network namespace.
Result<std::set<pid_t>> residents(ApplyContext& context, const Partition& partition) {
    auto found = context.host.cgroups().processes_anywhere(partition.group);
    PARTD_TRY(found);
    if (const auto netns = context.host.netns(partition.name)) {
        const auto all = context.processes();
        PARTD_TRY(all);
        const auto [begin, end] = (*all)->equal_range((*netns)->inode());
        std::transform(begin, end, std::inserter(*found, found->end()),
                       [](const auto& entry) { return entry.second; });
    }
    return found;
}

// Why on_remove lets nobody end these; PID 1 that only holds the partition is nobody to ask for.
Result<> may_end(ApplyContext& context, const Partition& partition, std::set<pid_t> pids) {
    const auto holder = find_holder(context.host, partition.name);
    PARTD_TRY(holder);
    if (*holder) {
        pids.erase(**holder);
    }
    if (partition.on_remove != OnRemove::Stop) {
        constexpr std::chrono::seconds kMoment{2};
        kernel::await_dying(pids, kMoment);  // of a kill just before
    }
    if (partition.on_remove == OnRemove::Stop || pids.empty()) {
        return {};
    }
    return std::unexpected(Error{
        .message =
            fmt::format("on_remove is \"{}\", and it still has {}: end them first (partctl kill), or take "
                        "the change back",
                        Codec<OnRemove>::text(partition.on_remove), kernel::describe(pids)),
        .refused = true});
}

// Returns a function that selects the processes that are still residents.
kernel::Meant residents_of(kernel::Host& host, const Partition& partition) {
    const auto netns = host.netns(partition.name);
    const ino_t inode = netns ? (*netns)->inode() : 0;
    return [&cgroups = host.cgroups(), group = partition.group,
            inode](const std::set<pid_t>& pids) -> Result<std::set<pid_t>> {
        auto still = cgroups.processes_anywhere(group);
        PARTD_TRY(still);
        std::ranges::copy_if(pids, std::inserter(*still, still->end()),
                             [&](pid_t pid) { return kernel::lives_in(pid, NamespaceKind::Net, inode); });
        return still;
    };
}

// Where a signal of its own is declared, PID 1 is asked by it, and ends the others of its namespace.
Result<> ask_init(kernel::Host& host, const Partition& partition, kernel::Termination& ending) {
    const int signal = kernel::stop_signal_number(partition.stop_signal).value_or(0);
    if (signal == 0) {
        return {};
    }
    const auto pid = open_namespace(host, partition.name, NamespaceKind::Pid);
    const auto init = pid ? kernel::find_init(ending.pids, *pid) : Result<std::optional<pid_t>>();
    if (!init || !*init) {
        return {};
    }
    PARTD_TRY(kernel::ask_to_end(ending.pids, ending.meant, **init, signal));
    ending.told = true;
    if (!kernel::hears(**init, signal)) {
        ending.patience = std::chrono::milliseconds(0);
    }
    return {};
}

// The analyzer does not see that a std::function owns its closure.
// NOLINTBEGIN(clang-analyzer-cplusplus.NewDeleteLeaks)
Result<> stop(ApplyContext& context, const Partition& partition, std::size_t number) {
    auto pids = residents(context, partition);
    PARTD_TRY(pids);
    PARTD_TRY(may_end(context, partition, *pids));
    if (pids->empty()) {
        return {};
    }
    context.batch.count_write();
    (void)context.host.cgroups().freeze(partition.group, false);  // frozen processes take no signals
    kernel::Termination ending{.pids = std::move(*pids),
                               .meant = residents_of(context.host, partition),
                               .patience = partition.stop_timeout};
    PARTD_TRY(ask_init(context.host, partition, ending));
    context.batch.end(std::move(ending), number, partition.name,
                      [&cgroups = context.host.cgroups(), group = partition.group] { cgroups.kill(group); });
    return {};
}
// NOLINTEND(clang-analyzer-cplusplus.NewDeleteLeaks)

Result<> apply(ApplyContext& context, const Change& change, std::size_t number) {
    if (change.action == Action::Remove) {
        return stop(context, change.found.as<Partition>(), number);
    }
    const Partition& wanted = change.wanted.as<Partition>();
    context.batch.count_write();
    return kernel::set_xattr(context.host.cgroups().home(wanted.group), kMark, encode(wanted));
}

bool has_to_do_with_all(const Resource& partition) {
    return reaches_any(partition.spec.as<Partition>());
}

}  // namespace

constinit const Table Partition::table = {
    "partition", "A partition: namespaces, a root directory, links, rules and limits of its own.", kFields};

std::optional<HostName> HostName::parse(std::string_view text) {
    constexpr std::size_t kMost = 64;  // __NEW_UTS_LEN
    const auto is_plain = [](char byte) { return std::isalnum(static_cast<unsigned char>(byte)) != 0; };
    const auto is_allowed = [&](char byte) { return is_plain(byte) || byte == '-' || byte == '.'; };
    if (text.empty() || text.size() > kMost || !is_plain(text.front()) || !is_plain(text.back()) ||
        !std::ranges::all_of(text, is_allowed)) {
        return std::nullopt;
    }
    return HostName(std::string(text).c_str());
}

namespace {

struct Residents {
    std::string group = {};
    Partition partition = {};
    std::set<pid_t> pids = {};
    ino_t inode = 0;  // of the namespace
};

// The processes of the partition's cgroup that live in its namespace of that type.
Result<Residents> find_residents(ApplyContext& context, const std::string& name, NamespaceKind type) {
    const auto where = open_namespace(context.host, name, type);
    if (!where && where.error().is_shortage()) {
        return std::unexpected(where.error());
    }
    const std::string group = context.host.group_of(name);
    auto partition = decode(name, group, policy_mark(context.host, group));
    if (!where || group.empty() || !partition) {
        return Residents();
    }
    auto found = context.host.cgroups().processes(group);
    PARTD_TRY(found);
    std::erase_if(*found, [&](pid_t pid) {
        const auto its = kernel::Namespace::of_process(pid, type);
        return its ? its->inode() != where->inode() : !its.error().is_shortage();
    });
    return Residents{group, std::move(*partition), std::move(*found), where->inode()};
}

}  // namespace

Result<std::set<pid_t>> residents_to_end(ApplyContext& context, const std::string& name, NamespaceKind type) {
    auto found = find_residents(context, name, type);
    PARTD_TRY(found);
    return may_end(context, found->partition, found->pids) ? std::move(found->pids) : std::set<pid_t>();
}

Result<> end_residents(ApplyContext& context, const std::string& name, NamespaceKind type) {
    const auto found = find_residents(context, name, type);
    PARTD_TRY(found);
    const auto& [group, partition, pids, inode] = *found;
    PARTD_TRY(may_end(context, partition, pids));
    if (pids.empty()) {
        return {};
    }
    context.batch.count_write();
    (void)context.host.cgroups().freeze(group, false);
    kernel::Termination ending{pids, kernel::inhabitants(type, inode), partition.stop_timeout};
    PARTD_TRY(ask_init(context.host, partition, ending));
    const auto left = kernel::end_processes(std::span(&ending, 1)).front();
    return left.empty() ? Result<>() : fail(kernel::describe(left) + " do not end");
}

Result<> allow_stop(kernel::Host& host, const std::string& name) {
    const std::string group = host.group_of(name);
    auto partition = group.empty() ? std::nullopt : decode(name, group, policy_mark(host, group));
    if (!partition || partition->on_remove == OnRemove::Stop) {
        return {};
    }
    partition->on_remove = OnRemove::Stop;
    return kernel::set_xattr(host.cgroups().home(group), kMark, encode(*partition));
}

std::optional<OnRemove> removal_policy(const kernel::Host& host, const std::string& group) {
    const auto partition = decode({}, group, policy_mark(host, group));
    return partition ? std::optional(partition->on_remove) : std::nullopt;
}

bool reaches_any(const Partition& partition) {
    return partition.reach && std::ranges::any_of(*partition.reach, [](const auto& way) {
               return way.value.far.what == Far::What::Any;
           });
}

const DeclaredObject* find_partition(const Declared& declared, std::string_view name) {
    const auto found = declared.all<Partition>(name);
    return found.empty() || name.empty() ? nullptr : found.front();
}

bool has_netns(const Declared& declared, std::string_view name) {
    return membership_of(declared, std::string(name)).own.contains(NamespaceKind::Net);
}

constinit const LiveKind kPartition = {
    .kind = {.name = "partition",
             .language = kLanguage,
             .expand = expand,
             .independent = true,
             .interacts =
                 [](const Resource& one, const Resource& other) {
                     return has_to_do_with_all(one) || has_to_do_with_all(other);
                 },
             .counts = true},
    .observe = observe,
    .apply = apply,
    .ends = [](ApplyContext& context, const Change& removal) -> Result<std::set<pid_t>> {
        const auto& partition = removal.found.as<Partition>();
        auto pids = residents(context, partition);
        PARTD_TRY(pids);
        return may_end(context, partition, *pids) ? std::move(*pids) : std::set<pid_t>();
    },
};

}  // namespace partd
