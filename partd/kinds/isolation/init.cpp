#include "kinds/isolation/init.h"

#include "base/text.h"
#include "kernel/boot.h"
#include "kernel/processes.h"
#include "kinds/cgroup.h"
#include "kinds/isolation/membership.h"
#include "kinds/isolation/mounted.h"
#include "kinds/isolation/namespace.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Namespace;

constexpr Field kFields[] = {
    field<&Init::partition>("partition", "whose it is", {.role = Role::Identity, .live = true}),
    field<&Init::command>("command", "what it was started with", {.role = Role::Replace, .live = true}),
    field<&Init::owner>("owner", "whose user namespace owns its pid namespace",
                        {.role = Role::Replace, .live = true}),
    field<&Init::root>("root", "what is mounted in its mount namespace",
                       {.role = Role::Replace, .live = true}),
    field<&Init::running>("running", "PID 1 lives", {.role = Role::Replace, .live = true}),
    field<&Init::pinned>("pinned", "its names below /run/partd/ns stand for its namespaces", {.live = true}),
};

constexpr Field kCommandFields[] = {
    field<&InitCommand::command>("command", "the program and its arguments; found by PATH in its root",
                                 {.role = Role::Declared, .required = true}),
    field<&InitCommand::environment>(
        "environment", "variables besides, or in place of, PATH, HOME, USER, LOGNAME and container=partd",
        {.role = Role::Declared}),
    field<&InitCommand::working_directory>("working_directory", "the directory inside where it starts",
                                           {.role = Role::Declared, .fallback = "/"}),
};

constexpr Declaration kLanguage[] = {declaration<InitCommand>("partition.*.init")};

constexpr char kHolder[] = "partd-init";

std::string command_text(const InitCommand& init) {
    constexpr std::size_t kMost = 1024;  // it is kept as an extended attribute
    return init.command.empty() ? kHolder : shortened(to_json(tabled_json(InitCommand::table, &init)), kMost);
}

void check(const DeclaredObject& object, Diagnostics& problems) {
    const InitCommand& init = object.spec.as<InitCommand>();
    const auto error = [&](std::string_view key, const std::string& text) {
        problems.error(object.place(key), fmt::format("partition {}: {}", object.owner, text));
    };
    const auto has_nul = [](const std::string& text) { return text.contains('\0'); };
    if (init.command.empty() || init.command.front().empty() || std::ranges::any_of(init.command, has_nul)) {
        error("command", "the command is empty: name a program, or leave the table out");
    }
    for (const auto& [name, value] : init.environment) {
        if (name.empty() || name.contains('=') || has_nul(name) || has_nul(value)) {
            error("environment",
                  fmt::format("\"{}\" is no name of a variable: it must not be empty or have '='", name));
        }
    }
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
    }
    wanted.command = command_text(wanted.started);
    wanted.in_user = membership.has(NamespaceKind::User);
    wanted.owner = wanted.in_user ? name : "host";
    Resource resource{.key = init_key(name), .owner = name, .source = source_of(declared, object)};
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
    resource.claims = claims_of(wanted);
    resource.spec = Spec(std::move(wanted));
    desired.add(std::move(resource));
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<InitCommand>()) {
        check(*object, problems);
    }
    for (const DeclaredObject* object : declared.all<Partition>()) {
        expand_partition(declared, *object, desired);
    }
}

// A PID 1 of the user's finds its partition complete: limits, network, names. The holder only its limits.
void complete(const Declared&, State& desired, Diagnostics&) {
    static constexpr std::array<std::string_view, 6> kBefore = {"limit", "veth",   "address",
                                                                "route", "sysctl", "file"};
    std::unordered_map<std::string, std::vector<Key>> before;
    for (Resource& resource : desired.all()) {
        const Key init = init_key(resource.owner);
        if (resource.key.kind == &kLimit.kind && is_freeze(resource.key)) {
            if (desired.find(init) != nullptr) {
                resource.needs.push_back(init);  // nothing starts in a group that is frozen
            }
        } else if (std::ranges::find(kBefore, resource.key.kind->name) != kBefore.end()) {
            before[resource.owner].push_back(resource.key);
        }
    }
    for (Resource& resource : desired.all()) {
        if (resource.key.kind != &kInit.kind) {
            continue;
        }
        const bool holder = resource.spec.as<Init>().started.command.empty();
        for (const Key& key : before[resource.owner]) {
            if (!holder || key.kind == &kLimit.kind) {
                resource.needs.push_back(key);
            }
        }
    }
}

std::string pid_pin(const std::string& partition) {
    return pin_name(partition, NamespaceKind::Pid);
}
std::string mnt_pin(const std::string& partition) {
    return pin_name(partition, NamespaceKind::Mnt);
}

// Those that are wanted, those that partd made, and without a ledger those that a note tells of.
std::set<std::string> names_to_look_at(const Look& look) {
    auto names = look.names_of(kInit.kind);
    if (look.ledger.lost) {
        for (const std::string& name : look.host.pins().names()) {
            if (!note_of(look.host, name, kInitNote).empty()) {
                names.insert(name);
            }
        }
    }
    return names;
}

// Where most likely its PID 1 is; all others are looked through, too.
std::set<pid_t> processes_of(kernel::Host& host, const std::string& partition) {
    const std::string group = host.group_of(partition);
    return group.empty() ? std::set<pid_t>() : host.cgroups().processes(group).value_or(std::set<pid_t>());
}

// Everything of the partition's that a PID 1 stands on.
void add_found_needs(const Look& look, Resource& found) {
    for (const Resource& other : look.observed.all()) {
        const std::string_view kind = other.key.kind->name;
        if (other.owner == found.owner && (kind == "namespace" || kind == "netns" || kind == "layer")) {
            found.needs.push_back(other.key);
        }
    }
}

Result<> observe_one(Look& look, const std::string& name) {
    using Entry = kernel::PinDirectory::Entry;
    auto& pins = look.host.pins();
    const LedgerEntry* known = look.ledger.find({kInit.kind.name, name});
    const Entry entry = pins.look(pid_pin(name), kernel::namespace_flag(NamespaceKind::Pid));
    std::optional<Namespace> pid;
    Init found{.partition = name, .pinned = entry == Entry::Namespace};
    if (found.pinned) {
        auto opened = open_namespace(look.host, name, NamespaceKind::Pid);
        PARTD_TRY(opened);
        pid = std::move(*opened);
    } else if (known != nullptr || look.ledger.lost) {
        auto lost = known != nullptr ? find_lost(look.host, name, NamespaceKind::Pid, known->identity)
                                     : find_unknown(look.host, name, NamespaceKind::Pid);
        PARTD_TRY(lost);
        pid = std::move(*lost);
    }
    const bool remainder =
        entry == Entry::Stale || kernel::PinDirectory::Entry::Absent != pins.look(mnt_pin(name), 0);
    if (!pid && (known == nullptr || !remainder)) {
        return {};
    }
    if (pid) {
        const auto process = kernel::find_init(processes_of(look.host, name), *pid);
        PARTD_TRY(process);
        found.running = process->has_value();
    }
    found.command = note_of(look.host, name, kInitNote);
    if (pid) {
        auto owner = owner_text(look.host, name, pid->fd());
        PARTD_TRY(owner);
        found.owner = std::move(*owner);
    }
    found.root = note_of(look.host, name, kRootNote);
    if (!found.root.empty()) {
        const bool mounted =
            pins.look(mnt_pin(name), kernel::namespace_flag(NamespaceKind::Mnt)) == Entry::Namespace;
        found.pinned = found.pinned && mounted;
    }
    Resource resource{
        .key = init_key(name),
        .owner = name,
        .marked = true,
        .holder = fmt::format("{} is a namespace that partd did not make", pins.path_of(pid_pin(name))),
        .identity = pid ? pid->identity() : ""};
    add_found_needs(look, resource);
    resource.claims = claims_of(found);
    resource.spec = Spec(std::move(found));
    look.add(std::move(resource));
    return {};
}

Result<> observe(Look& look) {
    const auto trouble = look.host.pins().trouble();
    PARTD_TRY(trouble);
    if (*trouble) {
        look.hidden = true;
        look.for_wanted(kInit.kind, [&](const Resource& wanted) { look.add_foreign(wanted, **trouble); });
        return {};
    }
    for (const std::string& name : names_to_look_at(look)) {
        if (auto seen = observe_one(look, name); !seen) {
            look.add_unreadable(init_key(name), Spec(Init{.partition = name}), name, seen.error());
        }
    }
    return {};
}

Result<> unpin(kernel::Host& host, const std::string& partition, bool mnt) {
    if (mnt) {
        PARTD_TRY(host.pins().unpin(mnt_pin(partition)));
    }
    return host.pins().unpin(pid_pin(partition));
}

Result<> pin(kernel::Host& host, const Init& wanted, const kernel::Booted& booted) {
    auto& pins = host.pins();
    PARTD_TRY(set_note(host, wanted.partition, kRootNote, wanted.root));
    PARTD_TRY(set_note(host, wanted.partition, kInitNote, wanted.command));
    if (booted.mnt) {
        PARTD_TRY(pins.pin(mnt_pin(wanted.partition), booted.mnt->fd(), true));
    }
    return pins.pin(pid_pin(wanted.partition), booted.pid.fd());
}

// The namespaces of the partition that its PID 1 is to live in.
Result<std::vector<Namespace>> open_joined(kernel::Host& host, const Init& wanted) {
    std::vector<Namespace> all;
    for (const NamespaceKind type : wanted.joined) {
        auto opened = open_namespace(host, wanted.partition, type);
        PARTD_TRY(opened);
        all.push_back(std::move(*opened));
    }
    return all;
}

Result<> create(Doing& doing, const Init& wanted) {
    auto& host = doing.host;
    auto joined = open_joined(host, wanted);
    PARTD_TRY(joined);
    auto user = open_user(host, wanted.partition, wanted.in_user);
    PARTD_TRY(user);
    kernel::BootPlan plan{.group = host.group_of(wanted.partition),
                          .user = *user ? &**user : nullptr,
                          .command = wanted.started.command,
                          .environment = wanted.started.environment,
                          .working_directory = wanted.started.working_directory.value_or(AbsolutePath())};
    for (const Namespace& each : *joined) {
        if (each.type() == NamespaceKind::Mnt) {
            plan.mnt = &each;
        } else {
            plan.namespaces.push_back(&each);
        }
    }
    plan.etc = host.paths().etc_netns() + "/" + wanted.partition;
    OpenedRoot root;
    if (!wanted.root.empty()) {
        auto prepared = prepare_root(host, wanted.partition, wanted.wanted_root, wanted.shown);
        PARTD_TRY(prepared);
        root = std::move(*prepared);
        plan.root = root.plan;
        plan.view = root.view();
        plan.view.pid = true;
    }
    auto booted = kernel::boot(host.cgroups(), plan,
                               [&](const kernel::Booted& made) { return pin(host, wanted, made); });
    if (!booted) {
        (void)unpin(host, wanted.partition, !wanted.root.empty());
    }
    return booted;
}

// The last process of the namespace that is still there tells where its names have to lead.
Result<> pin_again(Doing& doing, const Change& change) {
    const Init& wanted = change.wanted.as<Init>();
    auto& host = doing.host;
    const auto pid = find_lost(host, wanted.partition, NamespaceKind::Pid, change.identity);
    PARTD_TRY(pid);
    const auto found = *pid ? kernel::find_init(processes_of(host, wanted.partition), **pid)
                            : Result<std::optional<pid_t>>();
    PARTD_TRY(found);
    const auto& process = *found;
    if (!process) {
        return fail("its PID 1 has ended meanwhile");
    }
    auto its = Namespace::of_process(*process, NamespaceKind::Pid);
    PARTD_TRY(its);
    kernel::Booted booted{.pid = std::move(*its), .mnt = {}};
    if (!wanted.root.empty()) {
        auto mnt = Namespace::of_process(*process, NamespaceKind::Mnt);
        PARTD_TRY(mnt);
        booted.mnt = std::move(*mnt);
    }
    PARTD_TRY(unpin(host, wanted.partition, !wanted.root.empty()));
    return pin(host, wanted, booted);
}

Result<> remove(Doing& doing, const Init& found) {
    if (const auto pid = open_namespace(doing.host, found.partition, NamespaceKind::Pid)) {
        PARTD_TRY(end_residents(doing, found.partition, NamespaceKind::Pid));
        // One that somebody moved to another group takes the rest of its namespace along.
        const auto process = kernel::find_init({}, *pid);
        PARTD_TRY(process);
        if (*process) {
            const std::array endings = {kernel::Ending{{**process},
                                                       kernel::inhabitants(NamespaceKind::Pid, pid->inode()),
                                                       std::chrono::milliseconds(0)}};
            if (!kernel::end_processes(endings).front().empty()) {
                return fail(fmt::format("its PID 1, process {}, does not end", **process));
            }
        }
    }
    PARTD_TRY(unpin(doing.host, found.partition, true));
    (void)set_note(doing.host, found.partition, kInitNote, "");  // the group may be gone already
    doing.batch.at_end([&host = doing.host] { host.pins().retire(); });
    return {};
}

Result<> apply(Doing& doing, const Change& change, std::size_t) {
    doing.batch.count_write();
    switch (change.action) {
        case Action::Create:
            return create(doing, change.wanted.as<Init>());
        case Action::Update:
            return pin_again(doing, change);
        case Action::Remove:
            return remove(doing, change.found.as<Init>());
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

Result<std::optional<pid_t>> find_holder(kernel::Host& host, const std::string& partition) {
    if (note_of(host, partition, kInitNote) != kHolder) {
        return std::nullopt;
    }
    const auto pid = open_namespace(host, partition, NamespaceKind::Pid);
    if (!pid) {
        return pid.error().is_shortage() ? std::unexpected(pid.error()) : Result<std::optional<pid_t>>();
    }
    return kernel::find_init(processes_of(host, partition), *pid);
}

constinit const Table InitCommand::table = {
    "init",
    "PID 1 of its pid namespace; without this table partd-init, which reaps, passes signals on and is the "
    "last to go. Implies the namespace \"pid\".",
    kCommandFields};
constinit const Table Init::table = {"init", "PID 1 of a partition.", kFields};

constinit const LiveKind kInit = {
    .kind = {.name = "init",
             .table = &Init::table,
             .language = kLanguage,
             .expand = expand,
             .complete = complete,
             .summary = summary,
             .apart = true},
    .observe = observe,
    .apply = apply,
    .watch =
        [](const Resource& wanted, kernel::Host& host, std::vector<std::string>& topics) {
            for (const std::string& name : {pid_pin(wanted.key.name), mnt_pin(wanted.key.name)}) {
                topics.push_back(kernel::mount_topic(host.pins().path_of(name)));
            }
        },
};

}  // namespace partd
