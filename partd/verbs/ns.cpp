// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "verbs/context.h"
#include "verbs/namespace_rows.h"
#include "verbs/table.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

template <class T>
std::string cell(const std::optional<T>& value) {
    return value ? std::to_string(*value) : "-";
}

void print_rows(VerbContext& work, const NamespaceRows& rows) {
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

Value to_value(const NamespaceRows& rows) {
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
    if (!work.load(true) || !work.knows_name(engine)) {
        return std::move(work.answer);
    }
    const auto view = engine.look(work.desired);
    auto rows = view ? namespace_rows(engine.host(), *view) : std::unexpected(view.error());
    if (!rows) {
        return work.failed(rows.error());
    }
    if (!request.name.empty()) {
        std::erase_if(*rows, [&](const auto& entry) {
            return std::ranges::find(entry.second.partitions, request.name) == entry.second.partitions.end();
        });
    }
    if (request.json) {
        work.print_json(to_value(*rows));
    } else {
        print_rows(work, *rows);
    }
    return work.done();
}

}  // namespace partd::verbs
