// SPDX-License-Identifier: Apache-2.0
#include "kinds/service/live.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/systemd/systemd.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/namespace/netns.h"
#include "kinds/partition.h"
#include "kinds/service/file.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Systemd;

// True if the unit has no processes, or all are in their group and namespace.
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

// True if a unit that has ended is as wanted, because its restart policy lets it end.
bool may_be_ended(const Service& service, const Systemd::Unit& unit) {
    return service.restart == RestartPolicy::No ||
           (service.restart == RestartPolicy::OnFailure && unit.active_state == "inactive");
}

// True if systemd has loaded the unit's files in their present state.
bool is_read_whole(const kernel::Host& host, const Service& service, const Systemd::Unit& unit) {
    if (!service.joins) {
        return !unit.needs_reload;
    }
    return is_read(unit, service_path(host, service)) && is_read(unit, hold_path(host, service));
}

// The service that a file of ours at that place is of.
std::optional<Service> read_service(const std::string& path, const std::string& unit) {
    const auto text = kernel::read_file(path);
    const auto name = text ? service_of(*text) : std::nullopt;
    if (!name) {
        return std::nullopt;
    }
    const std::size_t slash = name->find('/');
    return Service{
        .partition = name->substr(0, slash), .name = name->substr(slash + 1), .unit = unit, .content = *text};
}

// By service and unit.
using Services = std::map<std::pair<std::string, std::string>, Service>;

// The drop-ins of ours in that directory of units; `each` gets the service that its file tells of.
void for_drop_ins(const std::string& units, std::string_view prefix, const auto& each) {
    constexpr std::string_view kDropIns = ".service.d";
    const auto list = [](const std::string& path) {
        return kernel::list_directory(path).value_or(std::vector<std::string>());
    };
    for (const std::string& name : list(units)) {
        if (!name.ends_with(kDropIns)) {
            continue;
        }
        for (const std::string& file : list(units + "/" + name)) {
            auto service = file.starts_with(prefix) ? read_service(fmt::format("{}/{}/{}", units, name, file),
                                                                   name.substr(0, name.size() - 2))
                                                    : std::nullopt;
            if (service) {
                service->joins = true;
                each(std::move(*service));
            }
        }
    }
}

// All files of ours: their first lines tell, with a ledger or without. One that a file of before the boot
// alone tells of has no content.
Services list_services(const kernel::Host& host) {
    Services found;
    const auto key_of = [](const Service& service) {
        return std::pair(service.partition + "/" + service.name, service.unit);
    };
    const std::string units = host.paths().units();
    for (const std::string& name : kernel::list_directory(units).value_or(std::vector<std::string>())) {
        const bool own = name.starts_with("partd-") && name.ends_with(".service");
        if (auto service = own ? read_service(fmt::format("{}/{}", units, name), name) : std::nullopt) {
            found.emplace(key_of(*service), std::move(*service));
        }
    }
    for_drop_ins(units, "50-partd-",
                 [&](Service service) { found.emplace(key_of(service), std::move(service)); });
    for_drop_ins(lasting_units(host), "49-partd-", [&](Service service) {
        std::string text = std::exchange(service.content, {});
        found.try_emplace(key_of(service), std::move(service)).first->second.hold = std::move(text);
    });
    return found;
}

Resource resource_of(const Service& service) {
    Resource found{.key = {&kService.kind, service.partition + "/" + service.name},
                   .owner = service.partition,
                   .marked = true};
    // It leaves before the partition's processes are ended and its namespace goes.
    found.depends_on = {{&kPartition.kind, service.partition}, netns_key(service.partition)};
    if (!service.group.empty()) {
        found.depends_on.push_back({&kCgroup.kind, service.group});
    }
    if (!service.netns.empty() && service.netns != service.partition) {
        found.depends_on.push_back(netns_key(service.netns));
    }
    found.exclusive_names = claims_of(service);
    found.spec = Spec(service);
    return found;
}

// True if the file that declared the service is unreadable or wrong and has no last good version.
bool is_left_out(const Observation& observation, const Service& service) {
    const std::string file = declared_in(service.content.empty() ? service.hold : service.content);
    return observation.desired.left_out.contains(file) ||
           observation.desired.left_out.contains(file.substr(0, file.rfind('/')));
}

std::string held_text(const kernel::Host& host, const Service& wanted, const Service& found) {
    const std::string text = found.hold.empty() ? hold_of_image(host, wanted) : found.hold;
    return text == wanted.hold ? kInPlace : text.empty() ? "missing" : "changed";
}

void observe_one(Observation& observation, Service service) {
    const Key key{&kService.kind, service.partition + "/" + service.name};
    const Resource* resource = observation.desired.find(key);
    const Service* wanted = resource == nullptr ? nullptr : &resource->spec.as<Service>();
    if (wanted != nullptr && wanted->unit == service.unit && service.content.empty()) {
        return;  // after a boot: it is made anew, with its partition
    }
    service.environment =
        service.joins ? "" : kernel::read_if_there(environment_path(observation.host, service)).value_or("");
    service.group = observation.host.group_of(service.partition);
    service.netns = wanted != nullptr ? wanted->netns : service.partition;
    service.restart = wanted != nullptr ? wanted->restart : service.restart;
    service.held = wanted != nullptr && wanted->joins ? held_text(observation.host, *wanted, service) : "";
    if (auto* systemd = observation.host.cgroups().systemd()) {
        const auto unit = systemd->look(service.unit);
        if (!unit) {
            observation.add_unreadable(key, Spec(service), service.partition, unit.error());
            return;
        }
        service.state = state_of(observation.host, *systemd, service, *unit);
    }
    Resource found = resource_of(service);
    found.kept = wanted == nullptr && is_left_out(observation, service);
    Resource& added = observation.add(std::move(found));
    if (service.content.empty()) {
        // It outlives the ledger, which learns nothing of it while its service is wanted and not made.
        added.ownership = Ownership::Ours;
    }
}

// Reports a foreign file in the place of a wanted one.
void observe_holder(Observation& observation, const Resource& wanted) {
    const Service& service = wanted.spec.as<Service>();
    if (observation.observed.find(wanted.key) != nullptr) {
        return;
    }
    std::vector paths = {service_path(observation.host, service)};
    if (service.joins) {
        paths.push_back(hold_path(observation.host, service));
    }
    for (const std::string& path : paths) {
        const auto of = service_of(kernel::read_file(path).value_or(""));
        const bool ours =
            of && (*of == wanted.key.name || observation.observed.find({&kService.kind, *of}) != nullptr);
        if (kernel::exists(path) && !ours) {
            observation.add_foreign(wanted, path + " was made by somebody else");
            return;
        }
    }
}

}  // namespace

std::string state_of(kernel::Host& host, Systemd& systemd, const Service& service,
                     const Systemd::Unit& unit) {
    if (!is_read_whole(host, service, unit)) {
        return "not read by systemd";
    }
    if (service.joins) {
        if (const auto listeners = systemd.listeners_of(service.unit); !listeners.empty()) {
            return listeners.front() + " listens on the host";
        }
    }
    if (unit.has_job) {
        return kInPlace;  // on its way
    }
    if (!is_active(unit) && service.joins) {
        return unit.held_back                                     ? "held back"
               : kernel::exists(stopped_path(host, service.unit)) ? "stopped by partd"
                                                                  : kInPlace;
    }
    if (!is_active(unit)) {
        return may_be_ended(service, unit) ? kInPlace : unit.active_state;
    }
    return is_inside(host, service, unit) ? kInPlace : "elsewhere";
}

std::string lasting_units(const kernel::Host& host) {
    return host.paths().root + "/etc/systemd/system";
}

std::string service_path(const kernel::Host& host, const Service& service) {
    return host.paths().units() + "/" +
           (service.joins ? drop_in_name(service.unit, service.partition) : service.unit);
}

std::string hold_path(const kernel::Host& host, const Service& service) {
    return lasting_units(host) + "/" + hold_name(service.unit, service.partition);
}

std::string environment_path(const kernel::Host& host, const Service& service) {
    return environment_path(host.paths().state(), service.partition + "/" + service.name);
}

std::string hold_of_image(const kernel::Host& host, const Service& service) {
    return kernel::read_file(host.paths().root + "/usr/lib/systemd/system/" +
                             hold_name(service.unit, service.partition))
        .value_or("");
}

std::string stopped_path(const kernel::Host& host, const std::string& unit) {
    return host.paths().state() + "/stopped/" + unit;
}

bool is_active(const Systemd::Unit& unit) {
    return unit.active_state == "active" || unit.active_state == "reloading" ||
           unit.active_state == "activating";
}

bool is_read(const Systemd::Unit& unit, const std::string& path) {
    return kernel::exists(path) == (std::ranges::find(unit.drop_ins, path) != unit.drop_ins.end());
}

Result<> observe_services(Observation& observation) {
    for (auto& [key, service] : list_services(observation.host)) {
        if (observation.scope.covers(kService.kind, service.partition)) {
            observe_one(observation, std::move(service));
        }
    }
    observation.for_wanted(kService.kind,
                           [&](const Resource& wanted) { observe_holder(observation, wanted); });
    return {};
}

}  // namespace partd
