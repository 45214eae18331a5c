// SPDX-License-Identifier: Apache-2.0
// The configuration, the directories of names, and what is written down in /etc.
#include "kernel/file/files.h"

#include "base/text.h"
#include "doctor/checks.h"
#include "kernel/layer/layers.h"
#include "kernel/mount/mounts.h"
#include "kinds/host/host.h"
#include "kinds/machine/exposure.h"
#include "kinds/machine/rootfs.h"
#include "kinds/namespace/membership.h"
#include "kinds/namespace/user.h"
#include "reconcile/rest.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include <fmt/format.h>

namespace partd::doctor {

namespace {

Findings configuration(const CheckContext& patient) {
    constexpr std::size_t kMost = 5;
    Findings found;
    for (const Problem& problem : patient.desired.problems) {
        if (found.size() == kMost) {
            found.push_back({.severity = Severity::Problem,
                             .what = fmt::format("{} more errors in the configuration",
                                                 patient.desired.problems.size() - kMost),
                             .why = "partctl apply changes nothing until they are mended",
                             .fix = "see them all: partctl check"});
            break;
        }
        found.push_back({.severity = Severity::Problem,
                         .what = problem.at.prefix() + problem.message,
                         .why = "partctl apply changes nothing while the configuration is wrong",
                         .fix = "correct the file, then partctl check"});
    }
    for (const std::string& note : patient.desired.notes) {
        if (tells_of_rest(note)) {
            found.push_back({.severity = Severity::Note,
                             .what = note,
                             .why = "they are declared, and neither apply nor a boot makes them",
                             .fix = "start them, or leave them"});
            continue;
        }
        found.push_back({.severity = Severity::Warning,
                         .what = note,
                         .why = "a directory that is gone is not taken for an empty one",
                         .fix = "make it again: install -d -m 755 with its name"});
    }
    const std::string main = patient.host.paths().config().back();
    if (found.empty() && !kernel::exists(main)) {
        found.push_back({.severity = Severity::Note,
                         .what = main + " is not there",
                         .why = "nobody has declared anything on this host",
                         .fix = "make it",
                         .remedy = {"install -d -m 755 " + main, "rmdir " + main}});
    }
    return found;
}

Findings names(const CheckContext& patient) {
    Findings found;
    const auto mounts = kernel::read_mounts();
    for (const kernel::PinDirectory* directory :
         {static_cast<kernel::PinDirectory*>(&patient.host.directory()), &patient.host.pins()}) {
        const auto trouble = directory->trouble();
        if (!trouble || *trouble) {
            found.push_back(
                {.severity = Severity::Problem,
                 .what = trouble ? **trouble : trouble.error().message,
                 .why =
                     "no name of a namespace can be believed, so nothing is removed, and little can be made",
                 .fix = "take away what hides it",
                 .remedy = {fmt::format("umount {}", directory->path())}});
            continue;
        }
        const auto is_there = [&](const kernel::Mount& mount) { return mount.point == directory->path(); };
        const bool shared = mounts && std::ranges::any_of(*mounts, [&](const kernel::Mount& mount) {
                                return is_there(mount) && mount.shared;
                            });
        if (mounts && !shared && !directory->names().empty()) {
            found.push_back(
                {.severity = Severity::Warning,
                 .what = fmt::format("{} is not a shared mount of its own", directory->path()),
                 .why = "services with mounts of their own do not see new partitions, and keep "
                        "removed ones alive",
                 .fix = "make it a shared mount",
                 .remedy = {
                     std::ranges::any_of(*mounts, is_there)
                         ? fmt::format("mount --make-shared {}", directory->path())
                         : fmt::format(
                               "{{ mountpoint -q {0} || mount --bind {0} {0}; }} && mount --make-shared {0}",
                               directory->path()),
                     fmt::format("mount --make-private {}", directory->path())}});
        }
    }
    return found;
}

// A daemon that mounts where nobody looks.
Findings daemon_mounts(const CheckContext& patient) {
    const auto partd = patient.programs.find("partd");
    if (partd == patient.programs.end() ||
        kernel::same_mounts(partd->second, kernel::own_process()).value_or(true)) {
        return {};
    }
    return {{.severity = Severity::Problem,
             .what = fmt::format("partd (process {}) sees other mounts than this shell", partd->second),
             .why = "the names that it makes in /run/netns are not seen here: they are empty files",
             .fix = "take ProtectSystem=, PrivateTmp= and the like out of the drop-ins of partd.service: "
                    "systemctl cat partd"}};
}

// A line of partd's with numbers for so many maps, behind those that the file gives to anybody (subuid(5)).
std::string free_range(const std::string& path, std::size_t maps) {
    constexpr std::uint64_t kHighest = std::numeric_limits<std::uint32_t>::max();
    const std::uint64_t wanted = maps * kAutomaticIds;
    std::uint64_t first = 1'000'000;
    const std::string text = kernel::read_file(path).value_or("");
    for (const std::string_view line : split(text, '\n')) {
        const auto parts = split(line, ':');
        if (parts.size() == 3) {
            const std::uint64_t begin = parse_number(parts[1]).value_or(0);
            const std::uint64_t end = begin + parse_number(parts[2]).value_or(0);
            // One that reaches to the end of all numbers leaves room before it.
            first = end < kHighest - wanted ? std::max(first, end) : first;
        }
    }
    return fmt::format("partd:{}:{}", first, wanted);
}

// Enough numbers for each user namespace whose map is left to partd.
Findings subordinate_ids(const CheckContext& patient) {
    std::set<std::string> automatic;
    for (const DeclaredObject* partition : patient.declared().all<Partition>()) {
        if (membership_of(patient.declared(), partition->owner).own.contains(NamespaceKind::User) &&
            wanted_maps(patient.declared(), partition->owner).uids.empty()) {
            automatic.insert(partition->owner);
        }
    }
    Findings found;
    for (const char* file : {"/etc/subuid", "/etc/subgid"}) {
        const std::string path = patient.host.paths().root + file;
        std::size_t room = 0;
        for (const IdMapping& range : subordinate_ranges(path)) {
            room += static_cast<std::size_t>(range.count / kAutomaticIds);
        }
        if (room < automatic.size()) {
            const std::string line = free_range(path, std::max<std::size_t>(16, automatic.size() * 2));
            found.push_back(
                {.severity = Severity::Problem,
                 .what = fmt::format("{} has room for {} maps of users, and partd is to choose {}", path,
                                     room, automatic.size()),
                 .why =
                     fmt::format("each takes {} numbers: {}", kAutomaticIds, name_some(patient, automatic)),
                 .fix = fmt::format("add a line to {}", path),
                 .remedy = {fmt::format("grep -qx {0} {1} || echo {0} >> {1}", line, path),
                            fmt::format("sed -i '/^{}$/d' {}", line, path)}});
        }
    }
    return found;
}

Findings overlooked(const CheckContext& patient) {
    Findings found;
    for (const std::string& path : patient.desired.overlooked) {
        found.push_back(
            {.severity = Severity::Note,
             .what = printable(path) + " is not read: its name does not end in .toml",
             .why = "what it declares is not made, and what it declared under another name is removed",
             .fix = fmt::format("mv -n {0} {1}.toml, or move it to another directory", printable(path),
                                printable(path.substr(0, path.find('.', path.rfind('/')))))});
    }
    return found;
}

// Layers that nobody uses take room; nobody deletes them but their user.
Findings layers(const CheckContext& patient) {
    constexpr std::chrono::milliseconds kPatience{100};
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    const kernel::Layers all(patient.host.paths().layers());
    const auto names = all.list();
    if (!names) {
        return {{.severity = Severity::Warning,
                 .what = names.error().message,
                 .why = "partitions with an overlay keep what they write there",
                 .fix = "look at " + patient.host.paths().layers()}};
    }
    Findings found;
    for (const std::string& name : names->layers) {
        if (patient.desired.compiled.desired.find(layer_key(name)) == nullptr &&
            patient.host.group_of(name).empty()) {
            found.push_back(
                {.severity = Severity::Note,
                 .what = fmt::format("the layer {} is kept, and no partition uses it: {}", all.path_of(name),
                                     size_text(all.size(name, deadline))),
                 .why = "what a partition wrote over its root is taken up again when it comes back",
                 .fix = fmt::format("when nobody wants it any more: partctl purge {}, which cannot be undone",
                                    name),
                 .partition = name});
        }
    }
    for (const std::string& name : names->leftover) {
        found.push_back({.severity = Severity::Warning,
                         .what = fmt::format("a purge of the layer {} was interrupted", name),
                         .why = "the rest of it takes room, and nothing uses it",
                         .fix = fmt::format("partctl purge --yes {}, which cannot be undone", name),
                         .partition = name});
    }
    for (const auto& foreign : names->foreign) {
        found.push_back({.severity = Severity::Note,
                         .what = foreign.why,
                         .why = "a partition of that name cannot have a layer",
                         .fix = "move it to another directory"});
    }
    return found;
}

// Where a partition's root could leave a program for other users of the host.
Findings trees(const CheckContext& patient) {
    Findings found;
    for (const Exposure& exposure : exposures(patient.declared())) {
        found.push_back(
            {.severity = Severity::Warning,
             .what =
                 fmt::format("{}: other users of the host reach {}, where the root of partition {} writes",
                             exposure.at.place(), printable(exposure.path), exposure.partition),
             .why = fmt::format("a set-user-ID program that it leaves there runs as {} for each of them",
                                exposure.as_root ? "the host's root" : "a user of the partition"),
             .fix = "put it below a directory that root alone may search (chmod 700)",
             .partition = exposure.partition,
             .at = exposure.at});
    }
    return found;
}

Findings metrics(const CheckContext& patient) {
    Diagnostics amiss;
    inspect_metrics(patient.declared(), amiss);
    Findings found;
    for (const Problem& problem : amiss.problems()) {
        found.push_back({.severity = Severity::Warning,
                         .what = problem.at.prefix() + problem.message,
                         .why = "who reads the figures believes whoever wrote them",
                         .fix = "give the directory to one user",
                         .at = problem.at});
    }
    return found;
}

constexpr Check kFileChecks[] = {
    {"the configuration is well", configuration},
    {"no file is overlooked for its name", overlooked},
    {"every layer is in use", layers},
    {"nobody else reaches what the root of a partition writes", trees},
    {"the file of metrics is exchanged by nobody", metrics},
    {"/run/netns and /run/partd/ns can be believed", names},
    {"partd sees the mounts of the host", daemon_mounts},
    {"/etc/subuid and /etc/subgid have numbers enough", subordinate_ids},
};

}  // namespace

std::span<const Check> file_checks() {
    return kFileChecks;
}

}  // namespace partd::doctor
