// SPDX-License-Identifier: Apache-2.0
// Values in /proc/sys/net: as they are now, as partd set them, and as they were before.
//
// A parameter is always there: partd's is the value. The one before goes to the ledger while the parameter is
// only looked at, so that it is on record before anything is written; that it was written is recorded
// afterwards. A value that another parameter of partd's brought about ("all", "default") does not count as
// the one before: the value of a new namespace takes its place.

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/file/kernel_file.h"
#include "kernel/netlink/links.h"
#include "kinds/host/switches.h"
#include "kinds/namespace/membership.h"
#include "kinds/namespace/netns.h"
#include "kinds/sysctl/ping_groups.h"
#include "kinds/sysctl/sysctl.h"
#include "kinds/sysctl/text.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr char kProcSys[] = "/proc/sys/";

// In the calling thread's namespace.
Result<std::string> read_here(const std::string& path) {
    auto text = kernel::read_kernel_file(kProcSys + path);
    PARTD_TRY(text);
    return one_line(*text);
}

// An empty value takes a line's end: a write of nothing changes nothing.
Result<> write_here(const std::string& path, const std::string& value) {
    return kernel::write_kernel_file(kProcSys + path, value.empty() ? "\n" : value);
}

Result<std::string> read_in(const kernel::Netns& netns, const std::string& path) {
    std::string value;
    const auto read = [&]() -> Result<> {
        auto text = read_here(path);
        PARTD_TRY(text);
        value = std::move(*text);
        return {};
    };
    PARTD_TRY(netns.inside(read));
    return value;
}

Result<std::string> read_value(kernel::Host& host, const Sysctl& sysctl) {
    auto netns = host.netns(sysctl.netns);
    PARTD_TRY(netns);
    return read_in(**netns, sysctl.path);
}

// The value of a partition's parameter that nobody has set: that of a new network namespace; for a new
// interface, that of its "default". nullopt if the parameter does not exist or cannot be read.
std::optional<std::string> untouched(const Sysctl& sysctl) {
    using Clock = std::chrono::steady_clock;
    struct Read {
        Clock::time_point at;
        std::optional<std::string> value;
    };
    static std::map<std::string, Read> known;
    constexpr std::chrono::seconds kFresh{1};
    const auto own = InterfaceSysctl::parse(sysctl.path);
    const bool special = own && !own->is_general() && own->interface != "lo";
    const std::string path = special ? own->of("default") : sysctl.path;
    const auto now = Clock::now();
    if (const auto found = known.find(path); found != known.end() && now - found->second.at < kFresh) {
        return found->second.value;
    }
    const auto fresh = kernel::Netns::make();
    auto value = fresh ? read_in(*fresh, path) : fail("");
    auto& entry = known[path];
    entry = {now, value ? std::optional(std::move(*value)) : std::nullopt};
    return entry.value;
}

// Of one interface, or of "all" or "default"; by the path that has that form.
std::optional<InterfaceSysctl> parse_interface(const std::string& path) {
    return InterfaceSysctl::parse(path == kForwarding4 ? "net/ipv4/conf/all/forwarding" : path);
}

class Observer {
public:
    Observer(Observation& observation, Key key, Sysctl sysctl)
        : look_(observation), key_(std::move(key)), sysctl_(std::move(sysctl)) {}

    Result<> run() {
        const bool there =
            sysctl_.netns.empty() || std::ranges::find(look_.netns, sysctl_.netns) != look_.netns.end();
        const auto value = there ? told_value() : fail("");
        if (!value && value.error().is_shortage()) {
            return std::unexpected(value.error());
        }
        if (value && wanted_ != nullptr) {
            return add_wanted(*value);
        }
        if (value && entry_ != nullptr && stays_on(sysctl_)) {
            remember(*value);
        } else if (value && entry_ != nullptr) {
            add_unwanted(*value);
        }
        return {};
    }

private:
    // In the words of those inside.
    [[nodiscard]] Result<std::string> told_value() const {
        auto value = read_value(look_.host, sysctl_);
        if (!value || sysctl_.path != kPingGroups) {
            return value;
        }
        const auto map = group_map_of(look_.host, sysctl_.netns);
        PARTD_TRY(map);
        const Key user = pin_key(sysctl_.netns, NamespaceKind::User);
        if (map->empty() && wanted_ != nullptr && look_.desired.find(user) != nullptr) {
            // Whose numbers they are is known when its user namespace has its name again.
            return wanted_->spec.as<Sysctl>().value;
        }
        return wanted_ == nullptr ? ping_groups_inside(*map, *value)
                                  : ping_groups_told(*map, *value, wanted_->spec.as<Sysctl>().value);
    }

    [[nodiscard]] std::optional<SysctlRecord> recorded() const {
        return entry_ == nullptr ? std::nullopt : SysctlRecord::parse(entry_->identity);
    }

    // Returns the value from before partd, given a present `value` that partd did not write to this
    // parameter.
    [[nodiscard]] std::string before(const std::string& value) const {
        if (sysctl_.netns.empty()) {
            return value;
        }
        for (const std::string& path : spreading_over(sysctl_.path)) {
            const Key key = sysctl_key(sysctl_.netns, path);
            const LedgerEntry* entry = look_.ledger.find({kSysctl.kind.name, key.name});
            const auto record = entry == nullptr ? std::nullopt : SysctlRecord::parse(entry->identity);
            if (record && record->written && record->made == value) {
                return untouched(sysctl_).value_or(value);
            }
        }
        return value;
    }

    // Of one that is wanted. A value that stands is partd's from then on, whoever wrote it.
    [[nodiscard]] SysctlRecord record_of(const std::string& wanted, const std::string& value) const {
        auto record = recorded();
        if (record && record->written) {
            return *record;
        }
        // As it is about to be written: a run that was killed may have done so.
        const std::string& asked = record ? record->wanted : wanted;
        if (!same_sysctl(asked, value)) {
            return {before(value), wanted, "", false};
        }
        if (record) {
            return {record->before, asked, value, true};
        }
        // In a namespace or with an interface that was made with it, or the ledger is lost.
        const bool unknown = (entry_ != nullptr || look_.ledger.lost) && !sysctl_.netns.empty();
        return {unknown ? untouched(sysctl_).value_or(value) : before(value), asked, value, true};
    }

    // A switch that stays on although nobody needs it any more: it is left alone, and that partd turned it on
    // stays on record.
    void remember(const std::string& value) {
        if (value == "0" || !was_off(entry_).value_or(false)) {
            return;
        }
        Resource found = resource(value, {});
        found.ownership = Ownership::Foreign;
        look_.observed.add(std::move(found));
    }

    Result<> add_wanted(const std::string& value) {
        const std::string& wanted = wanted_->spec.as<Sysctl>().value;
        const SysctlRecord record = record_of(wanted, value);
        // The kernel made `value` of exactly this text, whose meaning partd does not know: they count as
        // equal.
        const bool made = record.written && record.wanted == wanted && record.made == value &&
                          !is_comparable(wanted, value);
        Resource found = resource(same_sysctl(wanted, value) || made ? wanted : value, record);
        auto with = with_links(look_.host, found.spec.as<Sysctl>(), record.before != "0");
        PARTD_TRY(with);
        found.spec = Spec(std::move(*with));
        found.owner = wanted_->owner;
        found.depends_on = wanted_->depends_on;
        found.contained_in = wanted_->contained_in;
        look_.observed.add(std::move(found));
        return {};
    }

    // Without partd's own: what a parameter of the files brings about, else what was there before.
    [[nodiscard]] std::optional<std::string> restored(const SysctlRecord& record) const {
        const auto own = InterfaceSysctl::parse(sysctl_.path);
        for (const std::string& path : spreading_over(sysctl_.path)) {
            const Resource* general = look_.desired.find(sysctl_key(sysctl_.netns, path));
            const bool spreads = own && (path == own->of("default") || own->name == "forwarding" ||
                                         own->name == "disable_ipv6");
            if (general != nullptr && spreads) {
                return general->spec.as<Sysctl>().value;
            }
        }
        return record.before;
    }

    void add_unwanted(const std::string& value) {
        auto record = recorded();
        if (!record && !sysctl_.netns.empty()) {
            record = SysctlRecord{untouched(sysctl_), value, value, true};  // an intention: it may have been
        }
        const bool written =
            record && (record->written || (same_sysctl(record->wanted, value) && record->before != value));
        const auto back = written ? restored(*record) : std::nullopt;
        if (!back || same_sysctl(*back, value)) {
            return;  // nothing was changed, or it is as it was: nothing to take back
        }
        Resource found = resource(value, *record);
        found.owner = entry_->owner;
        if (!sysctl_.netns.empty()) {
            found.depends_on = found.contained_in = {netns_key(sysctl_.netns)};
        }
        // The interfaces' parameters that restoring this one overwrites are restored after it.
        const auto declared = declared_interfaces();
        for (const std::string& interface : declared) {
            found.depends_on.push_back(
                sysctl_key(sysctl_.netns, parse_interface(sysctl_.path)->of(interface)));
        }
        found.spec = Spec(Sysctl{.netns = sysctl_.netns,
                                 .path = sysctl_.path,
                                 .value = value,
                                 .restored = *back,
                                 .declared = declared});
        look_.observed.add(std::move(found));
    }

    [[nodiscard]] Resource resource(const std::string& value, const SysctlRecord& record) const {
        return {.key = key_,
                .spec = Spec(Sysctl{.netns = sysctl_.netns,
                                    .path = sysctl_.path,
                                    .value = value,
                                    .restored = record.before.value_or(value),
                                    .declared = declared_interfaces()}),
                .ownership = Ownership::Ours,
                .marked = true,
                .identity = record.text()};
    }

    // Of a general one: the interfaces for which the parameter is on record.
    [[nodiscard]] std::vector<std::string> declared_interfaces() const {
        const auto own = parse_interface(sysctl_.path);
        std::vector<std::string> names;
        if (!own || !own->is_general() || sysctl_.netns.empty()) {
            return names;
        }
        for (const Ledger::NameView& name : look_.ledger.of_owner(sysctl_.netns)) {
            if (name.first != kSysctl.kind.name) {
                continue;
            }
            const Sysctl other = parse_sysctl_key(std::string(name.second));
            const auto same = InterfaceSysctl::parse(other.path);
            if (other.netns == sysctl_.netns && same && same->of("") == own->of("") &&
                same->interface != own->interface && same->interface != "all") {
                names.push_back(same->interface);
            }
        }
        return names;
    }

    Observation& look_;
    Key key_;
    Sysctl sysctl_;
    const Resource* wanted_ = look_.desired.find(key_);
    const LedgerEntry* entry_ = look_.ledger.find({kSysctl.kind.name, key_.name});
};

// Returns the value that a parameter had before the plan that also made its interface; runs in its namespace.
std::string before_creation(const Sysctl& sysctl, const std::string& value) {
    const auto own = parse_interface(sysctl.path);
    if (sysctl.netns.empty() || !own) {
        return value;
    }
    const auto has = [&](const char* general) {
        return read_here(canonical_sysctl(own->of(general))).value_or("") == value;
    };
    // An interface that got another name has what partd set under its old one.
    const bool caused =
        !own || own->is_general() || same_sysctl(sysctl.value, value) || has("all") || has("default");
    return caused ? untouched(sysctl).value_or(value) : value;
}

// Interfaces that took their value from "default" go on following it: the kernel leaves those that are there
// as they are, and so they would keep for ever what partd set.
Result<> follow_default(const Sysctl& found, const std::string& value) {
    const auto own = InterfaceSysctl::parse(found.path);
    if (!own || own->interface != "default") {
        return {};
    }
    for (const std::string& name :
         kernel::list_directory(kProcSys + own->directory).value_or(std::vector<std::string>())) {
        const bool apart = name == "all" || name == "default" || name == "lo" ||
                           std::ranges::find(found.declared, name) != found.declared.end();
        if (!apart && same_sysctl(found.value, read_here(own->of(name)).value_or("?"))) {
            PARTD_TRY(write_here(own->of(name), value));
        }
    }
    return {};
}

// Runs in the parameter's namespace.
class Writer {
public:
    // `groups`: of what is about groups, those of the partition.
    Writer(ApplyContext& context, const Change& change, kernel::IdMap groups)
        : doing_(context), change_(change), groups_(std::move(groups)) {}

    Result<> set() const {
        const auto& wanted = change_.wanted.as<Sysctl>();
        auto value = read(wanted);
        if (!value && (value.error().code == EACCES || value.error().code == EPERM)) {
            return fail(value.error().code,
                        "it is for writing only and keeps no value: leave it out of the file");
        }
        auto record = SysctlRecord::parse(change_.identity).value_or(SysctlRecord());
        if (change_.action == Action::Create && value) {
            record.before = before_creation(wanted, *value);
        }
        const bool edited = change_.action == Action::Update && record.written &&
                            record.made == change_.found.as<Sysctl>().value;
        record.wanted = wanted.value;
        if (auto done = write(wanted.path, wanted.value); !done) {
            if (change_.action == Action::Create) {
                record.written = false;
                doing_.learnt.emplace_back(change_.key, record.text());
            }
            return done;
        }
        record.written = true;
        record.made = read(wanted).value_or(wanted.value);
        doing_.learnt.emplace_back(change_.key, record.text());
        if (!same_sysctl(wanted.value, record.made) && is_comparable(wanted.value, record.made)) {
            return fail(
                fmt::format("the kernel took \"{}\" and has \"{}\": write that, or a value that it keeps",
                            wanted.value, record.made));
        }
        return edited ? follow_default(change_.found.as<Sysctl>(), record.made) : Result<>();
    }

    Result<> restore() const {
        const auto& found = change_.found.as<Sysctl>();
        PARTD_TRY(write(found.path, found.restored));
        return follow_default(found, found.restored);
    }

private:
    [[nodiscard]] Result<std::string> read(const Sysctl& wanted) const {
        auto value = read_here(wanted.path);
        return value && !groups_.empty() ? ping_groups_told(groups_, *value, wanted.value) : std::move(value);
    }
    [[nodiscard]] Result<> write(const std::string& path, const std::string& value) const {
        if (groups_.empty()) {
            return write_here(path, value);
        }
        const auto on_host = ping_groups_on_host(groups_, value);
        PARTD_TRY(on_host);
        return write_here(path, *on_host);
    }

    ApplyContext& doing_;
    const Change& change_;
    kernel::IdMap groups_;  // empty: numbers are those of the host
};

// The MTU of IPv6 that an interface has by itself is the link's. The kernel takes none above it, and the
// link's may have become smaller since the former value was noted.
Result<std::optional<std::string>> own_mtu(kernel::Host& host, const Sysctl& sysctl) {
    const auto interface = InterfaceSysctl::parse(sysctl.path);
    if (!interface || interface->is_general() || interface->of("*") != "net/ipv6/conf/*/mtu") {
        return std::nullopt;
    }
    auto netns = host.netns(sysctl.netns);
    PARTD_TRY(netns);
    const auto link = kernel::get_link((*netns)->route(), interface->interface);
    PARTD_TRY(link);
    return *link ? std::optional(std::to_string((*link)->mtu)) : std::nullopt;
}

}  // namespace

Result<> observe_sysctls(Observation& observation) {
    Result<> seen;
    observation.for_wanted(kSysctl.kind, [&](const Resource& wanted) {
        seen = seen ? Observer(observation, wanted.key, wanted.spec.as<Sysctl>()).run() : seen;
    });
    for (const std::string& name : observation.names_of(kSysctl.kind)) {
        const Key key{&kSysctl.kind, name};
        if (seen && observation.desired.find(key) == nullptr) {
            seen = Observer(observation, key, parse_sysctl_key(name)).run();
        }
    }
    return seen;
}

Result<> apply_sysctl(ApplyContext& context, const Change& change, std::size_t) {
    const bool removal = change.action == Action::Remove;
    const auto& sysctl = (removal ? change.found : change.wanted).as<Sysctl>();
    auto netns = context.host.netns(sysctl.netns);
    PARTD_TRY(netns);
    context.batch.count_write();
    PARTD_TRY(bring_links_along(context, change));
    // Writing 1 to IPv6 forwarding drops learnt routes, also where it is 1 already.
    if (change.action == Action::Update && !change.changes("value")) {
        return {};
    }
    auto groups =
        sysctl.path == kPingGroups ? group_map_of(context.host, sysctl.netns) : Result<kernel::IdMap>();
    PARTD_TRY(groups);
    const Writer writer(context, change, std::move(*groups));
    auto done = (*netns)->inside([&] { return removal ? writer.restore() : writer.set(); });
    if (removal && !done && done.error().code == EINVAL) {
        const auto mtu = own_mtu(context.host, sysctl);
        PARTD_TRY(mtu);
        return *mtu ? (*netns)->inside([&] { return write_here(sysctl.path, **mtu); }) : done;
    }
    return done;
}

}  // namespace partd
