// SPDX-License-Identifier: Apache-2.0
#include "verbs/namespace_rows.h"

#include "kernel/process/processes.h"
#include "kinds/namespace/membership.h"
#include "kinds/namespace/netns.h"

#include <algorithm>

namespace partd::verbs {

namespace {

// ioctl_ns(2): how it stands to others.
void add_relations(int fd, NamespaceRow& row) {
    const bool nested = row.type == NamespaceKind::Pid || row.type == NamespaceKind::User;
    row.parent = nested ? kernel::parent_of(fd).value_or(std::nullopt) : std::nullopt;
    row.owner = kernel::owner_of(fd).value_or(std::nullopt);
    row.uid = kernel::owner_uid_of(fd);
}

// Namespaces by the processes in them, as lsns(8) finds them.
Result<NamespaceRows> from_processes() {
    const auto processes = kernel::list_processes();
    PARTD_TRY(processes);
    NamespaceRows rows;
    for (const kernel::Process& process : *processes) {
        for (const auto& ns : process.namespaces) {
            NamespaceRow& row = rows[ns.inode];
            row.type = ns.type;
            if (row.processes++ == 0) {
                row.pid = process.pid;
                row.command = process.command;
                if (const auto opened = kernel::Namespace::of_process(process.pid, ns.type)) {
                    add_relations(opened->fd(), row);
                }
            }
        }
    }
    return rows;
}

void add_name(NamespaceRows& rows, NamespaceKind type, Result<Fd> fd, const std::string& path,
              const std::string& partition) {
    const auto ns = fd ? kernel::Namespace::from(std::move(*fd), type) : std::unexpected(fd.error());
    if (!ns) {
        return;
    }
    NamespaceRow& row = rows[ns->inode()];
    row.type = type;
    row.paths.push_back(path);
    if (!partition.empty()) {
        row.partitions.push_back(partition);
    }
    add_relations(ns->fd(), row);
}

// Adds namespaces that are held only by a name, with their owners.
void add_names(kernel::Host& host, const Inspection& view, NamespaceRows& rows) {
    const auto is_ours = [&](const std::string& name) {
        const auto found = std::ranges::find_if(view.observed.all(), [&](const Resource& resource) {
            return resource.key.kind == &kNetns.kind && resource.key.name == name;
        });
        return found != view.observed.all().end() && found->ownership == Ownership::Ours;
    };
    for (const std::string& name : host.directory().names()) {
        add_name(rows, NamespaceKind::Net, host.directory().PinDirectory::open(name),
                 host.directory().path_of(name), is_ours(name) ? name : "");
    }
    for (const std::string& partition : host.pins().names()) {
        for (const NamespaceKind type : kernel::kNamespaceTypes) {
            const std::string pin = pin_name(partition, type);
            add_name(rows, type, host.pins().open(pin), host.pins().path_of(pin), partition);
        }
    }
}

}  // namespace

Result<NamespaceRows> namespace_rows(kernel::Host& host, const Inspection& view) {
    auto rows = from_processes();
    PARTD_TRY(rows);
    add_names(host, view, *rows);
    return rows;
}

}  // namespace partd::verbs
