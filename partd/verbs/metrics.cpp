// SPDX-License-Identifier: Apache-2.0
#include "verbs/metrics.h"

#include "verbs/context.h"
#include "verbs/summary.h"

#include <algorithm>
#include <array>
#include <map>

namespace partd::verbs {

namespace {

// In the text format of Prometheus; what has no figure is left out. Names are those of partitions: nothing to
// escape.
class Exposition {
public:
    void begin(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        fmt::format_to(std::back_inserter(text_), "# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
    }
    template <class Number>
    void add_as(std::string_view name, Number value) {
        fmt::format_to(std::back_inserter(text_), "{} {}\n", name, value);
    }
    template <class Number>
    void add(std::string_view labels, Number value) {
        fmt::format_to(std::back_inserter(text_), "{}{} {}\n", name_,
                       labels.empty() ? "" : fmt::format("{{{}}}", labels), value);
    }
    std::string text() && { return std::move(text_); }

private:
    std::string name_;
    std::string text_;
};

constexpr std::array kStates = {"active",  "stopped", "degraded",  "missing", "conflict",
                                "invalid", "frozen",  "contested", "paused",  "undeclared"};

void add_counters(const Counters& counters, Exposition& to) {
    to.begin("partd_changes_total", "counter", "Changes of the host that were carried out");
    to.add("action=\"create\"", counters.created);
    to.add("action=\"update\"", counters.updated);
    to.add("action=\"remove\"", counters.removed);
    to.begin("partd_repairs_total", "counter", "Changes that put back what something else had changed");
    to.add("", counters.repaired);
    to.begin("partd_failures_total", "counter", "Changes that failed");
    to.add("", counters.failed);
    to.begin("partd_refusals_total", "counter", "Plans that the delete limit held back");
    to.add("", counters.refused);
    to.begin("partd_reconcile_seconds", "summary", "From the beginning of a look to the end of its plan");
    to.add_as("partd_reconcile_seconds_sum", counters.seconds);
    to.add_as("partd_reconcile_seconds_count", counters.reconciled);
}

void add_states(const std::map<std::string, std::string>& states, Exposition& to) {
    to.begin("partd_partitions", "gauge", "Partitions by state");
    for (const char* state : kStates) {
        const auto is_in = [&](const auto& entry) { return entry.second == state; };
        to.add(fmt::format("state=\"{}\"", state), std::ranges::count_if(states, is_in));
    }
    to.begin("partd_partition_up", "gauge", "Whether a partition is as declared");
    for (const auto& [name, state] : states) {
        to.add(fmt::format("partition=\"{}\"", name), state == "active" ? 1 : 0);
    }
}

struct Figure {
    const char* name;
    const char* type;
    const char* help;
    std::optional<double> (*of)(const kernel::CgroupUse& use);
};

template <auto Member>
std::optional<double> figure(const kernel::CgroupUse& use) {
    const auto& value = use.*Member;
    return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

constexpr Figure kFigures[] = {
    {"partd_partition_memory_bytes", "gauge", "Memory in use", figure<&kernel::CgroupUse::memory>},
    {"partd_partition_cpu_seconds_total", "counter", "Processor time used",
     figure<&kernel::CgroupUse::cpu_seconds>},
    {"partd_partition_processes", "gauge", "Processes", figure<&kernel::CgroupUse::processes>},
};

void add_use(Engine& engine, const std::map<std::string, std::string>& states, Exposition& to) {
    std::map<std::string, kernel::CgroupUse> uses;
    for (const auto& [name, state] : states) {
        if (const std::string group = engine.host().group_of(name); !group.empty()) {
            uses.emplace(name, engine.host().cgroups().use(group));
        }
    }
    for (const Figure& each : kFigures) {
        to.begin(each.name, each.type, each.help);
        for (const auto& [name, use] : uses) {
            if (const auto value = each.of(use)) {
                to.add(fmt::format("partition=\"{}\"", name), *value);
            }
        }
    }
}

}  // namespace

std::string metrics_text(Engine& engine, const std::map<std::string, std::string>& states) {
    Exposition all;
    add_states(states, all);
    add_counters(engine.counters(), all);
    all.begin("partd_generation", "gauge", "The generation that was applied last");
    const auto numbers = engine.history().numbers();
    all.add("", !numbers || numbers->empty() ? 0 : numbers->back());
    add_use(engine, states, all);
    return std::move(all).text();
}

Answer metrics(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (!work.load(true)) {
        return std::move(work.answer);
    }
    auto view = engine.look(work.desired);
    if (!view) {
        return work.failed(view.error());
    }
    std::map<std::string, std::string> states;
    for (const Summary& summary : summarize(engine, work.desired, *view)) {
        if (!summary.is_slice) {
            states.emplace(summary.name, summary.state);
        }
    }
    const std::string text = metrics_text(engine, states);
    if (request.json) {
        Value value;
        value.set("prometheus", text);
        work.print_json(std::move(value));
    } else {
        work.print("{}", text);
    }
    return work.done();
}

}  // namespace partd::verbs
