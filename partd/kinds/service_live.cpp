#include "kinds/service_live.h"

#include "base/text.h"
#include "kernel/files.h"
#include "kernel/systemd.h"
#include "kinds/cgroup.h"
#include "kinds/netns.h"
#include "kinds/partition.h"
#include "kinds/service_file.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Systemd;

std::string path_of(const kernel::Host& host, const Service& service) {
    return host.paths().units() + "/" +
           (service.joins ? drop_in_name(service.unit, service.partition) : service.unit);
}

bool is_active(const Systemd::Unit& unit) {
    return unit.active_state == "active" || unit.active_state == "reloading" ||
           unit.active_state == "activating";
}

// Whether the unit's processes are where they belong, or it has none.
bool is_inside(kernel::Host& host, const Service& service, const Systemd::Unit& unit) {
    const bool in_group = unit.group.empty() || unit.group.starts_with(service.group + "/");
    if (service.netns.empty() || unit.main_pid == 0) {
        return in_group;
    }
    const auto netns = host.netns(service.netns);
    const auto its = kernel::Namespace::of_process(unit.main_pid, NamespaceKind::Net);
    // A process that ended meanwhile is nowhere.
    return in_group && (!netns || !its || its->inode() == (*netns)->inode());
}

// What has ended for good by the rules of its own is in place as well.
bool may_be_ended(const Service& service, const Systemd::Unit& unit) {
    return service.joins || service.restart == RestartPolicy::No ||
           (service.restart == RestartPolicy::OnFailure && unit.active_state == "inactive");
}

std::string state_of(kernel::Host& host, const Service& service, const Systemd::Unit& unit) {
    const bool read = service.joins
                          ? std::ranges::find(unit.drop_ins, path_of(host, service)) != unit.drop_ins.end()
                          : !unit.needs_reload;
    if (!read) {
        return "not read by systemd";
    }
    if (unit.has_job) {
        return kInPlace;  // on its way
    }
    if (!is_active(unit)) {
        return may_be_ended(service, unit) ? kInPlace : unit.active_state;
    }
    return is_inside(host, service, unit) ? kInPlace : "elsewhere";
}

// The file at that place below the directory of units, if it is ours.
std::optional<Service> read_service(const kernel::Host& host, const std::string& unit, bool joins,
                                    const std::string& file) {
    const auto text = kernel::read_file(host.paths().units() + "/" + file);
    const auto name = text ? service_of(*text) : std::nullopt;
    if (!name) {
        return std::nullopt;
    }
    const std::size_t slash = name->find('/');
    return Service{.partition = name->substr(0, slash),
                   .name = name->substr(slash + 1),
                   .unit = unit,
                   .joins = joins,
                   .content = *text};
}

// All files of ours: their first lines tell, with a ledger or without.
std::vector<Service> list_services(const kernel::Host& host) {
    std::vector<Service> found;
    const auto take = [&](const std::string& unit, bool joins, const std::string& file) {
        if (auto service = read_service(host, unit, joins, file)) {
            found.push_back(std::move(*service));
        }
    };
    const auto list = [](const std::string& path) {
        return kernel::list_directory(path).value_or(std::vector<std::string>());
    };
    constexpr std::string_view kDropIns = ".service.d";
    const std::string units = host.paths().units();
    for (const std::string& name : list(units)) {
        if (name.starts_with("partd-") && name.ends_with(".service")) {
            take(name, false, name);
        } else if (name.ends_with(kDropIns)) {
            for (const std::string& file : list(units + "/" + name)) {
                if (file.starts_with("50-partd-")) {
                    take(name.substr(0, name.size() - 2), true, name + "/" + file);
                }
            }
        }
    }
    return found;
}

Resource resource_of(const Service& service) {
    Resource found{.key = {&kService.kind, service.partition + "/" + service.name},
                   .owner = service.partition,
                   .marked = true};
    // It leaves before the partition's processes are ended and its namespace goes.
    found.needs = {{&kPartition.kind, service.partition}, netns_key(service.partition)};
    if (!service.group.empty()) {
        found.needs.push_back({&kCgroup.kind, service.group});
    }
    if (!service.netns.empty() && service.netns != service.partition) {
        found.needs.push_back(netns_key(service.netns));
    }
    found.claims = claims_of(service);
    found.spec = Spec(service);
    return found;
}

void observe_one(Look& look, Service service) {
    const Resource* wanted = look.desired.find({&kService.kind, service.partition + "/" + service.name});
    service.group = look.host.group_of(service.partition);
    service.netns = wanted != nullptr ? wanted->spec.as<Service>().netns : service.partition;
    service.restart = wanted != nullptr ? wanted->spec.as<Service>().restart : service.restart;
    if (auto* systemd = look.host.cgroups().systemd()) {
        const auto unit = systemd->look(service.unit);
        if (!unit) {
            look.add_unreadable({&kService.kind, service.partition + "/" + service.name}, Spec(service),
                                service.partition, unit.error());
            return;
        }
        service.state = state_of(look.host, service, *unit);
    }
    look.add(resource_of(service));
}

// What has the wanted unit's place, and is not ours.
void observe_holder(Look& look, const Resource& wanted) {
    const std::string path = path_of(look.host, wanted.spec.as<Service>());
    if (look.observed.find(wanted.key) == nullptr && kernel::exists(path)) {
        look.add_foreign(wanted, path + " was made by somebody else");
    }
}

// Once for all changes of a wave: the first one finds that its unit needs it.
Result<> reload_if_needed(Systemd& systemd, const Service& service, const std::string& path) {
    const auto unit = systemd.look(service.unit);
    PARTD_TRY(unit);
    const bool there = kernel::exists(path);
    const bool known = service.joins ? std::ranges::find(unit->drop_ins, path) != unit->drop_ins.end()
                                     : unit->load_state == "loaded";
    return unit->needs_reload || there != known ? systemd.reload() : Result<>();
}

Result<> settled(const Result<Systemd::Job>& job) {
    PARTD_TRY(job);
    return {};  // one that is still running is the next look's to see
}

// The file stands: systemd reads it, and the unit runs by it.
Result<> put_in_place(kernel::Host& host, Systemd& systemd, const Service& wanted) {
    PARTD_TRY(reload_if_needed(systemd, wanted, path_of(host, wanted)));
    if (!wanted.joins) {
        PARTD_TRY(systemd.reset_failed(wanted.unit));
        return settled(systemd.restart_service(wanted.unit));
    }
    return settled(systemd.try_restart_service(wanted.unit));
}

// Why the unit cannot be joined.
Result<> check_unit(Systemd& systemd, const Service& wanted) {
    const auto unit = systemd.look(wanted.unit);
    PARTD_TRY(unit);
    if (wanted.joins && (unit->load_state == "not-found" || unit->load_state == "masked")) {
        return fail(fmt::format("systemd has no unit {} ({}): install or unmask it, or correct `unit`",
                                wanted.unit, unit->load_state));
    }
    return {};
}

Result<> put(Doing& doing, const Change& change, std::size_t number) {
    const Service& wanted = change.wanted.as<Service>();
    auto* systemd = doing.host.cgroups().systemd();
    if (systemd == nullptr) {
        return fail(
            "systemd does not run here as PID 1 with cgroup2 alone, and a service is its unit: leave the "
            "table "
            "out, or start the program by partctl exec");
    }
    if (doing.host.cgroups().frozen(wanted.group)) {
        return fail("its partition is frozen, and so would be what starts in it: partctl thaw it first");
    }
    PARTD_TRY(check_unit(*systemd, wanted));
    const std::string path = path_of(doing.host, wanted);
    if (change.action == Action::Create || change.changes("content")) {
        PARTD_TRY(kernel::make_directories(path.substr(0, path.rfind('/'))));
        PARTD_TRY(kernel::write_atomically(path, wanted.content));
    }
    doing.batch.after_nftables(
        number, [&host = doing.host, systemd, wanted] { return put_in_place(host, *systemd, wanted); });
    return {};
}

// The unit as it was without partd.
Result<> take_back(Doing& doing, const Service& found, std::size_t number) {
    auto* systemd = doing.host.cgroups().systemd();
    const std::string path = path_of(doing.host, found);
    if (systemd != nullptr && !found.joins) {
        PARTD_TRY(settled(systemd->stop_service(found.unit)));
    }
    PARTD_TRY(kernel::remove_file(path));
    if (found.joins) {
        kernel::remove_empty_directory(path.substr(0, path.rfind('/')));
    }
    if (systemd == nullptr) {
        return {};
    }
    doing.batch.after_nftables(number, [systemd, found, path]() -> Result<> {
        if (!found.joins) {
            PARTD_TRY(systemd->reset_failed(found.unit));
        }
        PARTD_TRY(reload_if_needed(*systemd, found, path));
        return found.joins ? settled(systemd->try_restart_service(found.unit)) : Result<>();
    });
    return {};
}

}  // namespace

Result<> observe_services(Look& look) {
    for (Service& service : list_services(look.host)) {
        if (look.scope.covers(kService.kind, service.partition)) {
            observe_one(look, std::move(service));
        }
    }
    look.for_wanted(kService.kind, [&](const Resource& wanted) { observe_holder(look, wanted); });
    return {};
}

Result<> apply_service(Doing& doing, const Change& change, std::size_t number) {
    doing.batch.count_write();
    return change.action == Action::Remove ? take_back(doing, change.found.as<Service>(), number)
                                           : put(doing, change, number);
}

}  // namespace partd
