// SPDX-License-Identifier: Apache-2.0
// The other programs of the host: those that partd works with, and those that think a link is theirs.
#include "base/text.h"
#include "doctor/checks.h"
#include "kernel/file/files.h"
#include "kinds/marks.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd::doctor {

namespace {

// partd's links on the host, by their mark.
std::vector<const kernel::Link*> own_links(const CheckContext& patient) {
    std::vector<const kernel::Link*> own;
    for (const kernel::Link& link : patient.links) {
        if (parse_link_mark(link.alias)) {
            own.push_back(&link);
        }
    }
    return own;
}

// The files of a directory and its like in /etc, /run and /usr/lib whose text names pv-*.
bool names_our_links(const CheckContext& patient, std::string_view directory, std::string_view suffix) {
    const std::string& root = patient.host.paths().root;
    for (const char* above : {"/etc", "/run", "/usr/local/lib", "/usr/lib"}) {
        const std::string place = fmt::format("{}{}/{}", root, above, directory);
        for (const std::string& name : kernel::list_directory(place).value_or(std::vector<std::string>())) {
            if (name.ends_with(suffix) &&
                kernel::read_file(place + "/" + name).value_or("").find("pv-*") != std::string::npos) {
                return true;
            }
        }
    }
    return false;
}

// A program that manages links: how it is called, where it writes down what it does with each, and where it
// is told to leave ours alone.
struct Manager {
    const char* program;  // as the kernel cuts it
    const char* name;
    const char* state;      // a directory with a file for each link's index
    const char* claims;     // is in that file when it manages the link
    const char* leaves;     // is in it when it does not
    const char* directory;  // of its configuration
    const char* suffix;
    const char* file;   // what units/ has for it
    Severity severity;  // of a link that it manages
    const char* why;
};
constexpr std::array kManagers = {
    Manager{"systemd-network", "systemd-networkd", "/run/systemd/netif/links",
            "ADMIN_STATE=", "ADMIN_STATE=unmanaged", "systemd/network", ".network",
            "networkd/10-partd.network", Severity::Problem,
            "it takes partd's addresses off and sets its own, and both change them back for ever"},
    Manager{"NetworkManager", "NetworkManager", "/run/NetworkManager/devices", "managed=true",
            "managed=false", "NetworkManager/conf.d", ".conf", "NetworkManager/10-partd.conf",
            Severity::Warning,
            "it leaves a link as it found it, until somebody gives it a connection for that link"},
};

Findings managers(const CheckContext& patient) {
    Findings found;
    for (const Manager& manager : kManagers) {
        if (!patient.programs.contains(manager.program)) {
            continue;
        }
        const std::size_t before = found.size();
        for (const kernel::Link* link : own_links(patient)) {
            const std::string state =
                kernel::read_file(fmt::format("{}/{}", manager.state, link->index)).value_or("");
            if (state.find(manager.claims) != std::string::npos &&
                state.find(manager.leaves) == std::string::npos) {
                found.push_back(
                    {.severity = manager.severity,
                     .what = fmt::format("{} manages {} ({})", manager.name, printable(link->name),
                                         printable(link->alias)),
                     .why = manager.why,
                     .fix = fmt::format("tell it to leave {} alone, as {} of partd's units does with pv-*",
                                        printable(link->name), manager.file)});
            }
        }
        if (found.size() == before && !names_our_links(patient, manager.directory, manager.suffix)) {
            found.push_back(
                {.severity = Severity::Warning,
                 .what = fmt::format("{} runs, and nothing tells it to leave pv-* alone", manager.name),
                 .why = "a rule of its own for every link would take partd's too",
                 .fix = fmt::format("install {} of partd's units into /usr/lib/{}, and reload it",
                                    manager.file, manager.directory)});
        }
    }
    return found;
}

Findings service_manager(const CheckContext&) {
    if (!kernel::exists("/run/systemd/system")) {
        return {{.severity = Severity::Note,
                 .what = "systemd does not run here",
                 .why = "partd makes control groups itself, and nothing starts it at boot",
                 .fix = "let the host's own service manager run: partd"}};
    }
    constexpr std::uint64_t kOldest = 252;
    const std::string version = kernel::systemd_version();
    const auto number = parse_number(version.substr(0, version.find_first_not_of("0123456789")));
    if (!number || *number >= kOldest) {
        return {};
    }
    return {{.severity = Severity::Warning,
             .what = fmt::format("systemd is of version {}", version),
             .why = "partd is made for and tried with version 252 and later",
             .fix = "upgrade systemd, or watch the journal of partd closely"}};
}

Findings bus(const CheckContext&) {
    if (!kernel::exists("/run/dbus/system_bus_socket")) {
        return {{.severity = Severity::Note,
                 .what = "there is no D-Bus system bus",
                 .why = "partd is reached by /run/partd/bus alone, which root may use, and the group partd "
                        "for reading",
                 .fix = "install dbus, if other users are to manage partitions"}};
    }
    if (!kernel::exists("/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service")) {
        return {{.severity = Severity::Note,
                 .what = "polkit is not installed",
                 .why = "nobody but root may ask partd for anything by the system bus",
                 .fix = "install polkitd, if other users are to manage partitions"}};
    }
    return {};
}

constexpr Check kProgramChecks[] = {
    {"no other manager of networks claims partd's links", managers},
    {"systemd is there and new enough", service_manager},
    {"D-Bus and polkit are there", bus},
};

}  // namespace

std::span<const Check> program_checks() {
    return kProgramChecks;
}

}  // namespace partd::doctor
