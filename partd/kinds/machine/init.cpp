// SPDX-License-Identifier: Apache-2.0
#include "kinds/machine/init.h"

#include "base/text.h"
#include "kernel/process/endings.h"
#include "kernel/process/init_search.h"
#include "kernel/process/processes.h"
#include "kernel/session/boot.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/machine/environment.h"
#include "kinds/machine/mounted.h"
#include "kinds/machine/rootfs.h"
#include "kinds/namespace/membership.h"
#include "kinds/namespace/namespace.h"
#include "kinds/namespace/netns.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Namespace;

// The texts that PID 1 is started with, taken apart for telling them: values of variables are not told.
struct CommandTexts {
    Value rest = {};
    Environment environment = {};
    bool known = false;

    explicit CommandTexts(const std::string& text) {
        auto all = from_json(text);
        Value* variables = all ? all->find("environment") : nullptr;
        known = variables != nullptr && variables->get_if<Object>() != nullptr;
        if (!known) {
            return;
        }
        Value names = Array();
        for (const Member& variable : *variables->get_if<Object>()) {
            const auto* value = variable.value.get_if<std::string>();
            environment[variable.key] = value == nullptr ? "" : *value;
            names.push(variable.key);
        }
        *variables = std::move(names);
        rest = std::move(*all);
    }
    // One that is too long to be noted whole is cut somewhere.
    [[nodiscard]] std::string told(const std::string& text) const {
        return known ? to_json(rest) : text.starts_with('{') ? "a long command" : text;
    }
};

Sides told_command(const std::string& from, const std::string& to) {
    const CommandTexts before(from);
    const CommandTexts after(to);
    const std::string names = told_environment(before.environment, after.environment).second;
    const std::size_t renewed = names.find(" (");
    return {before.told(from), after.told(to) + (renewed == std::string::npos ? "" : names.substr(renewed))};
}

constexpr Field kFields[] = {
    field<&Init::partition>("partition", "its partition", {.role = Role::Identity, .live = true}),
    field<&Init::command>("command", "its command and settings",
                          {.role = Role::Replace, .live = true, .told = told_command}),
    field<&Init::owner>("owner", "the partition whose user namespace owns its pid namespace",
                        {.role = Role::Replace, .live = true}),
    field<&Init::root>("root", "the mounts in its mount namespace", {.role = Role::Replace, .live = true}),
    field<&Init::running>("running", "PID 1 lives", {.role = Role::Replace, .live = true}),
    field<&Init::pinned>("pinned", "its names below /run/partd/ns stand for its namespaces", {.live = true}),
};

constexpr Declaration kLanguage[] = {declaration<InitCommand>("partition.*.init")};

constexpr char kHolder[] = "partd-init";

std::string command_text(const InitCommand& init) {
    constexpr std::size_t kMost = 1024;  // it is kept as an extended attribute
    if (init.command.empty()) {
        return kHolder;
    }
    InitCommand noted = init;
    noted.stop_signal.reset();  // it is for the end, and is no reason to start anew
    return shortened(to_json(tabled_json(InitCommand::table, &noted)), kMost);
}

// Returns the note of an earlier partd with its working directory in today's spelling.
std::string renewed_command(const std::string& noted) {
    const auto value = noted.starts_with('{') ? from_json(noted) : std::nullopt;
    const Value* directory = value ? value->find("working_directory") : nullptr;
    const auto* text = directory == nullptr ? nullptr : directory->get_if<std::string>();
    const auto path = text == nullptr ? std::nullopt : AbsolutePath::parse(*text);
    if (!path) {
        return noted;
    }
    Value renewed = *value;
    renewed.set("working_directory", std::string(*path));
    return to_json(renewed);
}

// Its pins, which a namespace of their types has to leave before.
std::vector<std::string> claims_of(const Init& init) {
    std::vector<std::string> claims = {pin_name(init.partition, NamespaceKind::Pid)};
    if (!init.root.empty()) {
        claims.push_back(pin_name(init.partition, NamespaceKind::Mnt));
    }
    return claims;
}

// Where somebody looks who wants to change it.
const Source& source_of(const Declared& declared, const DeclaredObject& partition) {
    const auto command = declared.all<InitCommand>(partition.owner);
    const auto rootfs = declared.all<Rootfs>(partition.owner);
    return !command.empty()  ? command.front()->source
           : !rootfs.empty() ? rootfs.front()->source
                             : partition.source;
}

void expand_partition(const Declared& declared, const DeclaredObject& object, State& desired) {
    const std::string& name = object.owner;
    const Membership membership = membership_of(declared, name);
    if (!membership.own.contains(NamespaceKind::Pid)) {
        return;
    }
    Init wanted{.partition = name};
    const auto command = declared.all<InitCommand>(name);
    if (!command.empty()) {
        wanted.started = command.front()->spec.as<InitCommand>();
        wanted.command_at = {command.front()->place("command")};
        wanted.directory_at = {command.front()->place("working_directory")};
        wanted.user_at = {command.front()->place("user")};
    }
    wanted.command = command_text(wanted.started);
    wanted.in_user = membership.has(NamespaceKind::User);
    wanted.owner = wanted.in_user ? name : "host";
    Resource resource{.key = init_key(name),
                      .owner = name,
                      .source = source_of(declared, object),
                      .phase = wanted.started.command.empty() ? Phase::Holder : Phase::Processes};
    stands_in(resource, {&kCgroup.kind, group_of(declared, name)});
    for (const NamespaceKind type : kernel::kNamespaceTypes) {
        const Key key = namespace_key(membership, name, type);
        if (membership.has(type) && key != resource.key) {
            stands_in(resource, key);
            if (type != NamespaceKind::User) {
                wanted.joined.push_back(type);
            }
        }
    }
    if (membership.own.contains(NamespaceKind::Mnt)) {
        wanted.wanted_root = wanted_root(declared, name);
        wanted.root = wanted.wanted_root.text;
        wanted.shown = shown_types(membership);
        add_shown_needs(declared, membership, resource);
    }
    resource.exclusive_names = claims_of(wanted);
    resource.spec = Spec(std::move(wanted));
    desired.add(std::move(resource));
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<InitCommand>()) {
        check_command(*object, problems);
    }
    for (const DeclaredObject* object : declared.all<Partition>()) {
        expand_partition(declared, *object, desired);
    }
}

// Partitions whose PID 1 is wanted or was made by partd; without a ledger also all that have a note of one.
std::set<std::string> names_to_look_at(const Observation& observation) {
    auto names = observation.names_of(kInit.kind);
    if (observation.ledger.lost) {
        for (const std::string& name : observation.host.pins().names()) {
            if (!note_of(observation.host, name, kInitNote).empty()) {
                names.insert(name);
            }
        }
    }
    return names;
}

// Everything of the partition's that a PID 1 stands on.
void add_found_needs(const Observation& observation, Resource& found) {
    for (const Resource& other : observation.observed.all()) {
        const Kind* kind = other.key.kind;
        if (other.owner == found.owner &&
            (kind == &kNamespace.kind || kind == &kNetns.kind || kind == &kLayer.kind)) {
            found.depends_on.push_back(other.key);
        }
    }
}

Result<> observe_one(Observation& observation, const std::string& name) {
    using Entry = kernel::PinDirectory::Entry;
    auto& pins = observation.host.pins();
    const LedgerEntry* known = observation.ledger.find({kInit.kind.name, name});
    const Entry entry =
        pins.look(pin_name(name, NamespaceKind::Pid), kernel::namespace_flag(NamespaceKind::Pid));
    std::optional<Namespace> pid;
    Init found{.partition = name, .pinned = entry == Entry::Namespace};
    if (found.pinned) {
        auto opened = open_namespace(observation.host, name, NamespaceKind::Pid);
        PARTD_TRY(opened);
        pid = std::move(*opened);
    } else if (known != nullptr || observation.ledger.lost) {
        auto lost = known != nullptr ? find_lost(observation.host, name, NamespaceKind::Pid, known->identity)
                                     : find_unknown(observation.host, name, NamespaceKind::Pid);
        PARTD_TRY(lost);
        pid = std::move(*lost);
    }
    const bool remainder = entry == Entry::Stale || kernel::PinDirectory::Entry::Absent !=
                                                        pins.look(pin_name(name, NamespaceKind::Mnt), 0);
    if (!pid && (known == nullptr || !remainder)) {
        return {};
    }
    if (pid) {
        const auto process = kernel::find_init(likely_processes(observation.host, name), *pid);
        PARTD_TRY(process);
        found.running = process->has_value();
        if (*process) {
            observation.host.terminations().watch(name, **process);
        } else {
            found.how = observation.host.terminations().how(name);
        }
    }
    found.command = renewed_command(note_of(observation.host, name, kInitNote));
    if (pid) {
        auto owner = owner_text(observation.host, name, pid->fd());
        PARTD_TRY(owner);
        found.owner = std::move(*owner);
    }
    const Resource* wanted = observation.desired.find(init_key(name));
    found.root = renewed_root(note_of(observation.host, name, kRootNote),
                              wanted == nullptr ? nullptr : &wanted->spec.as<Init>().wanted_root);
    if (!found.root.empty()) {
        const bool mounted = pins.look(pin_name(name, NamespaceKind::Mnt),
                                       kernel::namespace_flag(NamespaceKind::Mnt)) == Entry::Namespace;
        found.pinned = found.pinned && mounted;
    }
    Resource resource{.key = init_key(name),
                      .owner = name,
                      .marked = true,
                      .holder = fmt::format("{} is a namespace that partd did not make",
                                            pins.path_of(pin_name(name, NamespaceKind::Pid))),
                      .identity = pid ? pid->identity() : ""};
    add_found_needs(observation, resource);
    resource.exclusive_names = claims_of(found);
    resource.spec = Spec(std::move(found));
    observation.add(std::move(resource));
    return {};
}

Result<> observe(Observation& observation) {
    const auto trouble = observation.host.pins().trouble();
    PARTD_TRY(trouble);
    if (*trouble) {
        observation.hidden = true;
        observation.for_wanted(kInit.kind,
                               [&](const Resource& wanted) { observation.add_foreign(wanted, **trouble); });
        return {};
    }
    const auto names = names_to_look_at(observation);
    if (observation.scope.all) {
        observation.host.terminations().keep_only(names);
    }
    for (const std::string& name : names) {
        if (auto seen = observe_one(observation, name); !seen) {
            observation.add_unreadable(init_key(name), Spec(Init{.partition = name}), name, seen.error());
        }
    }
    return {};
}

std::string summary(const Spec& spec) {
    const Init& init = spec.as<Init>();
    const std::string where = init.wanted_root.rootfs ? " in " + init.wanted_root.rootfs->path : "";
    return (init.started.command.empty() ? kHolder : init.started.command.front()) + where;
}

}  // namespace

Key init_key(const std::string& partition) {
    return {&kInit.kind, partition};
}

std::set<pid_t> likely_processes(kernel::Host& host, const std::string& partition) {
    const std::string group = host.group_of(partition);
    return group.empty() ? std::set<pid_t>() : host.cgroups().processes(group).value_or(std::set<pid_t>());
}

Result<std::optional<pid_t>> find_holder(kernel::Host& host, const std::string& partition) {
    if (note_of(host, partition, kInitNote) != kHolder) {
        return std::nullopt;
    }
    const auto pid = open_namespace(host, partition, NamespaceKind::Pid);
    if (!pid) {
        return pid.error().is_shortage() ? std::unexpected(pid.error()) : Result<std::optional<pid_t>>();
    }
    return kernel::find_init(likely_processes(host, partition), *pid);
}

constinit const Table Init::table = {"init", "PID 1 of a partition.", kFields};

constinit const LiveKind kInit = {
    .kind =
        {.name = "init", .language = kLanguage, .expand = expand, .summary = summary, .independent = true},
    .observe = observe,
    .apply = apply_init,
    .ends =
        [](ApplyContext& context, const Change& removal) {
            return residents_to_end(context, removal.key.name, NamespaceKind::Pid);
        },
    .rehearse = rehearse_init,
    .watch =
        [](const Resource& wanted, kernel::Host& host, std::vector<std::string>& topics) {
            for (const std::string& name : {pin_name(wanted.key.name, NamespaceKind::Pid),
                                            pin_name(wanted.key.name, NamespaceKind::Mnt)}) {
                topics.push_back(kernel::mount_topic(host.pins().path_of(name)));
            }
        },
};

}  // namespace partd
