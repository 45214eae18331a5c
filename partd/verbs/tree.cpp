// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kernel/process/processes.h"
#include "verbs/context.h"
#include "verbs/namespace_rows.h"
#include "verbs/status_lines.h"
#include "verbs/table.h"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

struct Held {
    NamespaceKind type = NamespaceKind::Net;
    ino_t inode = 0;
    std::vector<std::string> with;  // the other partitions that have it
};

// A control group, with what lives in it.
struct Node {
    std::string path = {};
    std::string parent = {};            // "" of the topmost
    std::string name = {};              // of the partition or slice; "" of a group inside one
    std::string kind = {};              // partition, slice, group
    std::string state = {};             // as status has it; "" of a group
    std::vector<Held> namespaces = {};  // of a partition
    std::set<pid_t> processes = {};     // in this very group
    std::set<pid_t> outside = {};       // in the partition's network namespace and in another group
};
using Nodes = std::vector<Node>;  // parents before their children

constexpr char kTop[] = "partd.slice";

std::vector<Held> namespaces_of(const NamespaceRows& rows, const std::string& name) {
    std::vector<Held> all;
    for (const auto& [inode, row] : rows) {
        if (std::ranges::find(row.partitions, name) == row.partitions.end()) {
            continue;
        }
        Held held{.type = row.type, .inode = inode, .with = row.partitions};
        std::erase(held.with, name);
        all.push_back(std::move(held));
    }
    std::ranges::sort(all, {}, &Held::type);
    return all;
}

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Adds the processes of a partition's network namespace that no group of the tree has: other programs joined
// it.
void add_outsiders(const std::multimap<ino_t, pid_t>& by_netns, Nodes& nodes) {
    std::set<pid_t> known;
    for (const Node& node : nodes) {
        known.insert(node.processes.begin(), node.processes.end());
    }
    for (Node& node : nodes) {
        for (const Held& held : node.namespaces) {
            auto [first, last] =
                by_netns.equal_range(held.type == NamespaceKind::Net && held.with.empty() ? held.inode : 0);
            for (; first != last; ++first) {
                if (!known.contains(first->second)) {
                    node.outside.insert(first->second);
                }
            }
        }
    }
}

Result<Nodes> collect(VerbContext& work, Engine& engine) {
    const auto rows = namespace_rows(engine.host(), work.view);
    PARTD_TRY(rows);
    auto groups = engine.host().cgroups().members_below(kTop);
    PARTD_TRY(groups);
    const auto by_netns = kernel::processes_by_namespace(std::array{kernel::NamespaceType::Net});
    PARTD_TRY(by_netns);
    std::map<std::string, Summary> summaries;
    for (Summary& summary : summarize(engine, work.desired, work.view)) {
        summaries.emplace(summary.name, std::move(summary));
    }
    std::ranges::sort(*groups, {}, &kernel::GroupMembers::path);
    Nodes nodes;
    for (kernel::GroupMembers& group : *groups) {
        Node node{.path = group.path, .parent = parent_of(group.path), .kind = "group"};
        const std::string owner = engine.host().cgroups().owner(group.path);
        const auto known = summaries.find(owner);
        if (known != summaries.end()) {
            node.name = owner;
            node.kind = known->second.is_slice ? "slice" : "partition";
            node.state = known->second.state;
            node.namespaces = namespaces_of(*rows, owner);
        }
        node.processes = std::move(group.processes);
        nodes.push_back(std::move(node));
    }
    add_outsiders(*by_netns, nodes);
    return nodes;
}

// That partition or slice with what is above and below it, or all.
void keep_only(Nodes& nodes, const std::string& name) {
    const auto wanted = std::ranges::find(nodes, name, &Node::name);
    if (name.empty() || wanted == nodes.end()) {
        return;
    }
    const std::string path = wanted->path;
    std::erase_if(nodes, [&](const Node& node) {
        return node.path != path && !node.path.starts_with(path + "/") && !path.starts_with(node.path + "/");
    });
    for (Node& node : nodes) {
        if (path.starts_with(node.path + "/")) {
            node.processes.clear();
        }
    }
}

class Drawing {
public:
    Drawing(const Nodes& nodes, const Request& request) : nodes_(nodes), request_(request) {}

    std::string text() {
        for (const Node& node : nodes_) {
            if (node.parent.empty()) {
                out_ += title_of(node) + "\n";
                draw_inside(node, "");
            }
        }
        return std::move(out_);
    }

private:
    [[nodiscard]] std::string title_of(const Node& node) const {
        if (node.name.empty()) {
            return printable(node.parent.empty() ? node.path : node.path.substr(node.parent.size() + 1));
        }
        return fmt::format("{} ({}, {})", node.name, node.kind, state_text(node.state, request_.color));
    }

    // "net 4026532281  pid 4026532282": as many to a line as fit.
    static std::vector<std::string> lines_of(const std::vector<Held>& namespaces, std::size_t width) {
        std::vector<std::string> lines;
        for (const Held& held : namespaces) {
            const std::string text = fmt::format("{} {}{}{}", kernel::namespace_name(held.type), held.inode,
                                                 held.with.empty() ? "" : " also of ", join(held.with, ", "));
            if (lines.empty() || width_of(lines.back()) + width_of(text) + 2 > width) {
                lines.push_back(text);
            } else {
                lines.back() += "  " + text;
            }
        }
        return lines;
    }

    void draw_inside(const Node& node, const std::string& indent) {
        const std::size_t width = request_.full ? std::string::npos : kScreen - width_of(indent) - 2;
        std::vector<std::string> lines = lines_of(node.namespaces, std::min(width, kScreen));
        const auto add = [&](pid_t pid, const char* where) {
            lines.push_back(
                cut_to(fmt::format("{} {}{}", pid, printable(kernel::command_of(pid)), where), width));
        };
        std::ranges::for_each(node.processes, [&](pid_t pid) { add(pid, ""); });
        std::ranges::for_each(node.outside, [&](pid_t pid) { add(pid, " (only in its network namespace)"); });
        std::vector<const Node*> children;
        for (const Node& other : nodes_) {
            if (other.parent == node.path) {
                children.push_back(&other);
            }
        }
        for (std::size_t i = 0; i < lines.size(); ++i) {
            out_ += indent + (i + 1 == lines.size() && children.empty() ? "└─" : "├─") + lines[i] + "\n";
        }
        for (const Node* child : children) {
            const bool last = child == children.back();
            out_ += indent + (last ? "└─" : "├─") + title_of(*child) + "\n";
            draw_inside(*child, indent + (last ? "  " : "│ "));
        }
    }

    const Nodes& nodes_;
    const Request& request_;
    std::string out_;
};

void push_processes(Value& all, const std::set<pid_t>& pids, bool inside) {
    for (const pid_t pid : pids) {
        Value value;
        value.set("pid", pid);
        value.set("command", kernel::command_of(pid));
        value.set("inside", inside);
        all.push(std::move(value));
    }
}

Value to_value(const Node& node) {
    Value value;
    value.set("path", node.path);
    value.set("parent", node.parent.empty() ? Value() : Value(node.parent));
    value.set("kind", node.kind);
    value.set("name", node.name.empty() ? Value() : Value(node.name));
    value.set("state", node.state.empty() ? Value() : Value(node.state));
    Value& namespaces = value.set("namespaces", Array());
    for (const Held& held : node.namespaces) {
        Value each;
        each.set("type", std::string(kernel::namespace_name(held.type)));
        each.set("ns", held.inode);
        Value& with = each.set("shared_with", Array());
        std::ranges::for_each(held.with, [&](const std::string& name) { with.push(name); });
        namespaces.push(std::move(each));
    }
    Value& processes = value.set("processes", Array());
    push_processes(processes, node.processes, true);
    push_processes(processes, node.outside, false);
    return value;
}

}  // namespace

Answer tree(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (!work.load(true) || !work.knows_name(engine)) {
        return std::move(work.answer);
    }
    auto view = engine.look(work.desired);
    if (!view) {
        return work.failed(view.error());
    }
    work.view = std::move(*view);
    auto nodes = collect(work, engine);
    if (!nodes) {
        return work.failed(nodes.error());
    }
    keep_only(*nodes, request.name);
    if (request.json) {
        Value groups = Array();
        std::ranges::for_each(*nodes, [&](const Node& node) { groups.push(to_value(node)); });
        Value value;
        value.set("groups", std::move(groups));
        work.print_json(std::move(value));
    } else {
        work.print("{}", Drawing(*nodes, request).text());
    }
    return work.done();
}

}  // namespace partd::verbs
