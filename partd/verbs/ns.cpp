// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kernel/process/processes.h"
#include "kinds/namespace/membership.h"
#include "kinds/namespace/netns.h"
#include "verbs/context.h"
#include "verbs/table.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

struct Row {
    NamespaceKind type = NamespaceKind::Net;
    std::size_t processes = 0;
    pid_t pid = 0;  // the lowest in it
    std::string command;
    std::optional<ino_t> parent;  // of pid and user namespaces
    std::optional<ino_t> owner;   // the user namespace that it belongs to
    std::optional<uid_t> uid;     // the user who made that
    std::vector<std::string> partitions;
    std::vector<std::string> paths;
};
using Rows = std::map<ino_t, Row>;

// ioctl_ns(2): how it stands to others.
void add_relations(int fd, Row& row) {
    const bool nested = row.type == NamespaceKind::Pid || row.type == NamespaceKind::User;
    row.parent = nested ? kernel::parent_of(fd).value_or(std::nullopt) : std::nullopt;
    row.owner = kernel::owner_of(fd).value_or(std::nullopt);
    row.uid = kernel::owner_uid_of(fd);
}

// Namespaces by the processes in them, as lsns(8) finds them.
Result<Rows> from_processes() {
    const auto processes = kernel::list_processes();
    PARTD_TRY(processes);
    Rows rows;
    for (const kernel::Process& process : *processes) {
        for (const auto& ns : process.namespaces) {
            Row& row = rows[ns.inode];
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

void add_name(Rows& rows, NamespaceKind type, Result<Fd> fd, const std::string& path,
              const std::string& partition) {
    const auto ns = fd ? kernel::Namespace::from(std::move(*fd), type) : std::unexpected(fd.error());
    if (!ns) {
        return;
    }
    Row& row = rows[ns->inode()];
    row.type = type;
    row.paths.push_back(path);
    if (!partition.empty()) {
        row.partitions.push_back(partition);
    }
    add_relations(ns->fd(), row);
}

// Adds namespaces that are held only by a name, with their owners.
void add_names(kernel::Host& host, const Inspection& view, Rows& rows) {
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

template <class T>
std::string cell(const std::optional<T>& value) {
    return value ? std::to_string(*value) : "-";
}

void print_rows(VerbContext& work, const Rows& rows) {
    TextTable table({"NS", "TYPE", "NPROCS", "PID", "PARENT", "OWNER", "UID", "PARTITION", "HELD BY"});
    for (const auto& [inode, row] : rows) {
        std::vector<std::string> holders = row.paths;
        if (row.processes > 0) {
            holders.push_back(row.command);
        }
        table.add({std::to_string(inode), std::string(kernel::namespace_name(row.type)),
                   std::to_string(row.processes), row.pid == 0 ? "-" : std::to_string(row.pid),
                   cell(row.parent), cell(row.owner), cell(row.uid),
                   row.partitions.empty() ? "-" : join(row.partitions, ", "),
                   printable(join(holders, "; "))});
    }
    work.print("{}", table.text(work.request.legend));
}

template <class T>
Value to_value(const std::optional<T>& value) {
    return value ? Value(*value) : Value();
}

Value to_value(const std::vector<std::string>& words) {
    Value all = Array();
    std::ranges::for_each(words, [&](const std::string& word) { all.push(word); });
    return all;
}

Value to_value(const Rows& rows) {
    Value all = Array();
    for (const auto& [inode, row] : rows) {
        Value value;
        value.set("ns", inode);
        value.set("type", std::string(kernel::namespace_name(row.type)));
        value.set("nprocs", row.processes);
        value.set("pid", row.pid == 0 ? Value() : Value(row.pid));
        value.set("command", row.command.empty() ? Value() : Value(row.command));
        value.set("parent", to_value(row.parent));
        value.set("owner", to_value(row.owner));
        value.set("owner_uid", to_value(row.uid));
        value.set("partition", row.partitions.empty() ? Value() : Value(row.partitions.front()));
        value.set("partitions", to_value(row.partitions));
        value.set("path", row.paths.empty() ? Value() : Value(row.paths.front()));
        value.set("paths", to_value(row.paths));
        all.push(std::move(value));
    }
    Value value;
    value.set("namespaces", std::move(all));
    return value;
}

}  // namespace

Answer namespaces(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (!work.load(true)) {
        return std::move(work.answer);
    }
    auto view = engine.look(work.desired);
    if (!view) {
        return work.failed(view.error());
    }
    auto found = from_processes();
    if (!found) {
        return work.failed(found.error());
    }
    Rows& rows = *found;
    add_names(engine.host(), *view, rows);
    if (request.json) {
        work.print_json(to_value(rows));
    } else {
        print_rows(work, rows);
    }
    return work.done();
}

}  // namespace partd::verbs
