// SPDX-License-Identifier: Apache-2.0
#include "kinds/host/host.h"

#include "base/text.h"
#include "kernel/file/own_files.h"
#include "kinds/firewall/gate.h"
#include "kinds/link/interfaces.h"
#include "kinds/sysctl/sysctl.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

// "50%", as the number before the sign.
struct Percent {
    static bool read(const Value& value, void* object, Diagnostics& problems) {
        const auto* text = value.get_if<std::string>();
        const bool has_sign = text != nullptr && text->ends_with('%');
        const auto number =
            has_sign ? parse_number(std::string_view(*text).substr(0, text->size() - 1)) : std::nullopt;
        if (!number || *number > 100) {
            report_unexpected(value, "a percentage like \"50%\"", problems);
            return false;
        }
        static_cast<DaemonSettings*>(object)->delete_limit = static_cast<std::int64_t>(*number);
        return true;
    }
    static std::string text(const void* object) {
        return std::to_string(static_cast<const DaemonSettings*>(object)->delete_limit) + "%";
    }
    static Value json(const void* object) { return text(object); }
    static Value schema() { return string_schema("^(100|[0-9]{1,2})%$", "a percentage"); }
};

constexpr Field kHostFields[] = {
    field<&HostSettings::forwarding>(
        "forwarding", "auto turns on the forwarding that NAT and reach need, and never turns it off",
        {.role = Role::Declared, .fallback = "auto"}),
};

constexpr Field kDaemonFields[] = {
    {.name = "delete_limit",
     .description = "largest share of the partitions and slices that one run removes without --allow-delete; "
                    "up to 3 are always removed",
     .options = {.role = Role::Declared, .fallback = "50%"},
     .read = Percent::read,
     .text = Percent::text,
     .json = Percent::json,
     .same = [](const void*, const void*) { return true; },
     .schema = Percent::schema},
    field<&DaemonSettings::resync>("resync",
                                   "interval after which partd looks at everything without an event",
                                   {.role = Role::Declared, .fallback = "10min"}),
    field<&DaemonSettings::settle>("settle", "time without a change to the files before they are read",
                                   {.role = Role::Declared, .fallback = "50ms"}),
    field<&DaemonSettings::settle_removal>(
        "settle_removal",
        "time after which the objects of a vanished file are removed, unless another file declares them by "
        "then; partctl apply does not wait",
        {.role = Role::Declared, .fallback = "2s"}),
    field<&DaemonSettings::log_level>("log_level", "least severe level that is logged",
                                      {.role = Role::Declared, .fallback = "info"}),
    field<&DaemonSettings::metrics>(
        "metrics",
        "the file that Prometheus' node_exporter reads (textfile collector); \"\" for none, or a path below "
        "/run or /var, no part of which is a symbolic link",
        {.role = Role::Declared, .fallback = "/run/partd/partd.prom"}),
    field<&DaemonSettings::history>("history", "number of applied generations that are kept for a rollback",
                                    {.role = Role::Declared, .min = 2, .max = 10'000, .fallback = "20"}),
};

constexpr Declaration kLanguage[] = {declaration<HostSettings>("host"),
                                     declaration<DaemonSettings>("daemon")};

// partd writes that file as root, again and again.
void check_metrics(const Declared& declared, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<DaemonSettings>()) {
        const std::string path = object->spec.as<DaemonSettings>().metrics.value_or("");
        const bool allowed = path.starts_with("/run/") || path.starts_with("/var/");
        const bool a_file = !(path + "/").contains("/../") && !path.ends_with('/') && !path.ends_with("/.");
        if (!path.empty() && (!allowed || !a_file)) {
            problems.error(object->place("metrics"),
                           fmt::format("\"{}\" is not a path of a file below /run or /var", path));
        }
    }
}

// A partition behind the host whose packets the host has to pass on, by family.
void complete(const Declared& declared, State& desired, Diagnostics& problems) {
    check_metrics(declared, problems);
    const auto settings = declared.all<HostSettings>();
    if (!settings.empty() && settings.front()->spec.as<HostSettings>().forwarding == Forwarding::Manual) {
        return;
    }
    const auto routed = partitions_through_host(declared);
    for (const Interface& interface : all_interfaces(declared)) {
        if (!interface.host_end || !routed.contains(interface.partition)) {
            continue;
        }
        for (const auto& address : interface.addresses) {
            const bool v6 = address.value.ip.v6();
            Resource& wanted =
                want_host_sysctl(desired, v6 ? kForwarding6 : kForwarding4, "1", "", address.at);
            wanted.precedes.push_back(*interface.link);
        }
    }
}

}  // namespace

constinit const Table HostSettings::table = {"host", "The host itself.", kHostFields};
constinit const Table DaemonSettings::table = {"daemon", "Settings of the daemon.", kDaemonFields};

DaemonSettings daemon_settings(const Declared& declared) {
    const auto settings = declared.all<DaemonSettings>();
    return settings.empty() ? DaemonSettings() : settings.front()->spec.as<DaemonSettings>();
}

void inspect_metrics(const Declared& declared, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<DaemonSettings>()) {
        const std::string path = object->spec.as<DaemonSettings>().metrics.value_or("");
        const std::string who =
            path.empty() ? "" : kernel::who_else_writes_in(path.substr(0, path.rfind('/')));
        if (!who.empty()) {
            problems.error(object->place("metrics"),
                           who +
                               ": each of them can put other figures in the place of partd's. chmod go-w it, "
                               "or chmod +t");
        }
    }
}

constinit const LiveKind kHost = {.kind = {.name = "host", .language = kLanguage, .complete = complete}};

}  // namespace partd
