// SPDX-License-Identifier: Apache-2.0
#include "kinds/service/service.h"

#include "base/text.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/machine/environment.h"
#include "kinds/machine/init.h"
#include "kinds/namespace/membership.h"
#include "kinds/net/dns.h"
#include "kinds/service/check.h"
#include "kinds/service/file.h"
#include "kinds/service/live.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kFields[] = {
    field<&Service::partition>("partition", "its partition", {.role = Role::Identity, .live = true}),
    field<&Service::name>("name", "its name in the partition", {.role = Role::Identity, .live = true}),
    field<&Service::unit>("unit", "the unit of systemd", {.role = Role::Replace, .live = true}),
    field<&Service::joins>("joins", "the unit is not partd's own", {.role = Role::Replace, .live = true}),
    field<&Service::content>("content", "the text of its file below /run/systemd/system", {.live = true}),
    field<&Service::environment>("environment",
                                 "the variables of its command, in a file that only root can read",
                                 {.live = true, .told = told_environment_files}),
    field<&Service::held>(
        "held",
        "a file below /etc/systemd/system keeps a unit that joins from starting without the partition",
        {.live = true}),
    field<&Service::state>("state", "it runs, and in the partition", {.live = true}),
};

constexpr FieldOptions kPlain = {.role = Role::Declared};

constexpr Field kSettings[] = {
    field<&ServiceSettings::unit>(
        "unit",
        "an existing service of systemd that joins the partition's network namespace and cgroup, with its "
        "resolv.conf and hosts. It is restarted if it runs elsewhere, does not start without the partition, "
        "also at boot, and returns to the host when it is no longer declared. Either this or `command`",
        kPlain),
    field<&ServiceSettings::command>("command",
                                     "a program, with a path that begins with '/', and its arguments; the "
                                     "unit partd-PARTITION-NAME.service runs it",
                                     kPlain),
    field<&ServiceSettings::environment>("environment", "variables of the command", kPlain),
    field<&ServiceSettings::restart>(
        "restart",
        "condition on which systemd starts the command again: \"no\", \"on-failure\" or \"always\". Only "
        "with \"always\" does partd start a command again that was stopped by hand or has ended",
        {.role = Role::Declared, .fallback = "\"on-failure\""}),
    field<&ServiceSettings::user>("user", "the user of the host that runs the command",
                                  {.role = Role::Declared, .fallback = "root"}),
};

constexpr Declaration kLanguage[] = {declaration<ServiceSettings>("partition.*.service.*")};

UnitPlace place_of(const Declared& declared, const DeclaredObject& object, const Membership& membership) {
    const std::string& partition = object.owner;
    UnitPlace place{.service = partition + "/" + object.name,
                    .file = object.source.file ? *object.source.file : "",
                    .group = group_of(declared, partition),
                    .netns = {},
                    .etc = {}};
    if (membership.own.contains(NamespaceKind::Net)) {
        place.netns = "/run/netns/" + partition;
    } else if (const auto shared = membership.shared.find(NamespaceKind::Net);
               shared != membership.shared.end()) {
        place.netns = "/run/netns/" + shared->second;
    }
    for (const std::string& file : dns_files(declared, partition)) {
        place.etc.push_back(fmt::format("/etc/netns/{}/{}", partition, file));
    }
    return place;
}

std::string own_unit(const DeclaredObject& object, UnitPlace place, bool plain) {
    const auto& service = object.spec.as<ServiceSettings>();
    UnitCommand command{
        .description = fmt::format("{} of partition {}", object.name, object.owner),
        .command = service.command,
        .environment_file = service.environment.empty() ? "" : environment_path("/run/partd", place.service),
        .restart =
            std::string(Codec<RestartPolicy>::text(service.restart.value_or(RestartPolicy::OnFailure))),
        .user = service.user.value_or("")};
    if (!plain) {
        // Into the namespaces by the way that everybody takes; what is inside gets a clean environment.
        std::vector<std::string> words = {PARTD_SBINDIR "/partctl", "exec", object.owner};
        if (!command.environment_file.empty()) {
            // Its command line and its own environment are not the place: who may see the process reads both.
            words.insert(words.end(), {"--environment", command.environment_file});
        }
        words.emplace_back("--");
        words.insert(words.end(), command.command.begin(), command.command.end());
        command.command = std::move(words);
        command.environment_file.clear();
        command.relayed = true;
        place.netns.clear();
        place.etc.clear();
    }
    return unit_file(place, command);
}

void expand_one(const Declared& declared, const DeclaredObject& object, State& desired) {
    const auto& settings = object.spec.as<ServiceSettings>();
    const Membership membership = membership_of(declared, object.owner);
    const UnitPlace place = place_of(declared, object, membership);
    Service wanted{.partition = object.owner,
                   .name = object.name,
                   .unit = settings.unit ? settings.unit->text() : own_unit_name(object.owner, object.name),
                   .joins = settings.unit.has_value(),
                   .state = kInPlace,
                   .group = group_of(declared, object.owner),
                   .restart = settings.restart.value_or(RestartPolicy::OnFailure)};
    // The process that systemd knows of one that has to be relayed stays in the host's.
    if (wanted.joins || is_plain(membership)) {
        wanted.netns = place.netns.substr(place.netns.rfind('/') + 1);
    }
    wanted.content = wanted.joins ? drop_in(place) : own_unit(object, place, is_plain(membership));
    wanted.environment = environment_file(settings.environment);
    wanted.held = wanted.joins ? kInPlace : "";
    wanted.hold = wanted.joins ? hold(place) : "";
    Resource resource{.key = {&kService.kind, place.service}, .owner = object.owner, .source = object.source};
    // A unit that holds on to a namespace of before, or that went with its slice, starts anew in the new one.
    resource.depends_on = {{&kPartition.kind, object.owner}};
    stands_in(resource, {&kCgroup.kind, wanted.group});
    for (const NamespaceKind type : kernel::kNamespaceTypes) {
        if (membership.has(type)) {
            stands_in(resource, namespace_key(membership, object.owner, type));
        }
    }
    resource.exclusive_names = claims_of(wanted);
    resource.spec = Spec(std::move(wanted));
    desired.add(std::move(resource));
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<ServiceSettings>()) {
        const auto& settings = object->spec.as<ServiceSettings>();
        check_service(declared, *object, problems);
        if (settings.unit.has_value() != !settings.command.empty()) {
            expand_one(declared, *object, desired);
        }
    }
}

}  // namespace

std::vector<std::string> claims_of(const Service& service) {
    return service.joins ? std::vector{"unit " + service.unit} : std::vector<std::string>();
}

constinit const Table ServiceSettings::table = {
    "service", "A service of systemd that runs in the partition; an error where systemd does not run.",
    kSettings};
constinit const Table Service::table = {"service", "A service of systemd in a partition.", kFields};

constinit const LiveKind kService = {
    .kind = {.name = "service",
             .language = kLanguage,
             .phase = Phase::Services,
             .expand = expand,
             .summary = [](const Spec& spec) { return spec.as<Service>().unit; }},
    .observe = observe_services,
    .apply = apply_service,
    .watch =
        [](const Resource& wanted, kernel::Host& host, std::vector<std::string>& topics) {
            const Service& service = wanted.spec.as<Service>();
            const std::string units = host.paths().units();
            topics.push_back(
                kernel::directory_topic(service.joins ? units + "/" + service.unit + ".d" : units));
            if (service.joins) {
                topics.push_back(kernel::directory_topic(lasting_units(host) + "/" + service.unit + ".d"));
            }
        },
};

}  // namespace partd
