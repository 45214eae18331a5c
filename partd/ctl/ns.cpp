#include "base/text.h"
#include "ctl/session.h"
#include "ctl/table.h"
#include "kernel/processes.h"

#include <map>

#include <fmt/format.h>

namespace partd::ctl {

namespace {

struct Row {
    std::string type;
    std::size_t processes = 0;
    pid_t pid = 0;  // the lowest in it
    std::string command;
    std::string partition;
    std::string path;
};
using Rows = std::map<std::pair<ino_t, std::string>, Row>;

// Namespaces by the processes in them, as lsns(8) finds them.
Rows from_processes() {
    Rows rows;
    for (const kernel::Process& process : kernel::list_processes()) {
        for (const auto& ns : process.namespaces) {
            Row& row = rows[{ns.inode, ns.type}];
            row.type = ns.type;
            if (row.processes++ == 0) {
                row.pid = process.pid;
                row.command = process.command;
            }
        }
    }
    return rows;
}

// Those that only a name holds, and whose they are.
void add_names(kernel::Host& host, const View& view, Rows& rows) {
    for (const std::string& name : host.directory().names()) {
        const auto netns = host.netns(name);
        if (!netns) {
            continue;
        }
        Row& row = rows[{(*netns)->inode(), "net"}];
        row.type = "net";
        row.path = host.directory().path_of(name);
        for (const Resource& found : view.observed.all()) {
            if (found.key.kind->name == "netns" && found.key.name == name &&
                found.standing == Standing::Ours) {
                row.partition = found.owner;
            }
        }
    }
}

void print_rows(const Rows& rows, const Options& options) {
    TextTable table({"NS", "TYPE", "NPROCS", "PID", "PARTITION", "HELD BY"});
    for (const auto& [key, row] : rows) {
        const std::string holder = row.path.empty()     ? row.command
                                   : row.processes == 0 ? row.path
                                                        : row.path + "; " + row.command;
        table.add({std::to_string(key.first), row.type, std::to_string(row.processes),
                   row.pid == 0 ? "-" : std::to_string(row.pid), row.partition.empty() ? "-" : row.partition,
                   printable(holder)});
    }
    fmt::print("{}", table.text(options.legend));
}

Value to_value(const Rows& rows) {
    Value all = Array();
    for (const auto& [key, row] : rows) {
        Value value;
        value.set("ns", key.first);
        value.set("type", row.type);
        value.set("nprocs", row.processes);
        value.set("pid", row.pid == 0 ? Value() : Value(row.pid));
        value.set("command", row.command.empty() ? Value() : Value(row.command));
        value.set("partition", row.partition.empty() ? Value() : Value(row.partition));
        value.set("path", row.path.empty() ? Value() : Value(row.path));
        all.push(std::move(value));
    }
    Value value;
    value.set("namespaces", std::move(all));
    return value;
}

}  // namespace

int run_ns(const Options& options) {
    auto session = open_session(options, "ns", true);
    if (!session) {
        return session.error();
    }
    auto view = look(session->host, session->desired.compiled.desired);
    if (!view) {
        complain(view.error().message);
        return kSomeFailed;
    }
    Rows rows = from_processes();
    add_names(session->host, *view, rows);
    if (options.json) {
        print_json(to_value(rows));
    } else {
        print_rows(rows, options);
    }
    return kDone;
}

}  // namespace partd::ctl
