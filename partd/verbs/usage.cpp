// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kernel/clock.h"
#include "kinds/namespace/netns.h"
#include "kinds/partition.h"
#include "verbs/context.h"

namespace partd::verbs {

namespace {

struct Usage {
    kernel::CgroupUse use;
    std::optional<kernel::Traffic> traffic;
    bool estimated = false;  // added up from the processes that live now
};

// Where no controller accounts the group (cgroup v1, or none was enabled), its processes tell.
void add_processes(kernel::Host& host, const std::string& group, Usage& usage) {
    kernel::CgroupUse& use = usage.use;
    if (use.cpu_seconds && use.memory && use.read) {
        return;
    }
    kernel::ProcessUse sum;
    for (const pid_t pid : host.cgroups().processes(group).value_or(std::set<pid_t>())) {
        const auto one = kernel::use_of(pid);
        sum.cpu_seconds += one.cpu_seconds;
        sum.memory += one.memory;
        sum.read += one.read;
        sum.written += one.written;
    }
    usage.estimated = true;
    use.cpu_seconds = use.cpu_seconds.value_or(sum.cpu_seconds);
    use.memory = use.memory.value_or(sum.memory);
    use.written = use.read ? use.written : std::optional(sum.written);
    use.read = use.read.value_or(sum.read);
}

Usage measure(Engine& engine, const std::string& name, const std::string& group) {
    kernel::Host& host = engine.host();
    Usage usage{.use = host.cgroups().use(group), .traffic = {}};
    add_processes(host, group, usage);
    const bool own_network = engine.last_ledger().find({kNetns.kind.name, name}) != nullptr;
    if (const auto netns = own_network ? host.netns(name) : fail("")) {
        const auto traffic = kernel::count_traffic((*netns)->route());
        usage.traffic = traffic ? std::optional(*traffic) : std::nullopt;
    }
    return usage;
}

template <class T>
Value to_value(const std::optional<T>& value) {
    return value ? Value(*value) : Value();
}

Value to_value(const std::string& name, bool is_partition, const Usage& usage) {
    Value value;
    value.set("name", name);
    value.set("kind", is_partition ? "partition" : "slice");
    value.set("cpu_seconds", to_value(usage.use.cpu_seconds));
    value.set("memory", to_value(usage.use.memory));
    value.set("read", to_value(usage.use.read));
    value.set("written", to_value(usage.use.written));
    value.set("processes", to_value(usage.use.processes));
    value.set("received", usage.traffic ? Value(usage.traffic->received) : Value());
    value.set("sent", usage.traffic ? Value(usage.traffic->sent) : Value());
    value.set("estimated", usage.estimated);
    return value;
}

}  // namespace

// One reading of all counters, for who compares two of them: partctl top.
Answer usage(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    const Ledger& ledger = engine.ledger();
    const auto marked = engine.host().cgroups().marked();
    if (!marked) {
        return work.failed(marked.error());
    }
    engine.host().invalidate();
    Value readings = Array();
    for (const kernel::MarkedGroup& group : *marked) {
        const bool top = !group.path.contains('/');  // of all together
        if (!top && !group.owner.empty() && (request.name.empty() || group.owner == request.name)) {
            const bool is_partition = ledger.find({kPartition.kind.name, group.owner}) != nullptr;
            readings.push(to_value(group.owner, is_partition, measure(engine, group.owner, group.path)));
        }
    }
    if (readings.get_if<Array>()->empty() && !request.name.empty()) {
        return work.stop(Reason::UnknownName,
                         fmt::format("there is no partition or slice \"{}\" on this host{}",
                                     printable(request.name), near_name(engine, {}, request.name)));
    }
    Value value;
    value.set("milliseconds", kernel::since_boot().count());
    value.set("readings", std::move(readings));
    work.print_json(std::move(value));
    return work.done();
}

}  // namespace partd::verbs
