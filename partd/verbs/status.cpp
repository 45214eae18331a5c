// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "base/values.h"
#include "kinds/cgroup/cgroup.h"
#include "plan/render.h"
#include "verbs/context.h"
#include "verbs/init_state.h"
#include "verbs/layers.h"
#include "verbs/lines.h"
#include "verbs/status_lines.h"
#include "verbs/warnings.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

using Warnings = std::vector<Warning>;

Value to_value(const Summary& summary, const Warnings& warned) {
    Value value;
    value.set("name", summary.name);
    value.set("kind", summary.is_slice ? "slice" : "partition");
    value.set("state", summary.state);
    value.set("description", summary.description);
    value.set("links", summary.links);
    value.set("addresses", summary.addresses.size());
    Value& addresses = value.set("address", Array());
    for (const Address& address : summary.addresses) {
        addresses.push(address.text());
    }
    value.set("forwards", summary.forwards);
    value.set("masquerade", summary.masquerade);
    value.set("memory", summary.memory ? Value(*summary.memory) : Value());
    value.set("processes", summary.processes);
    value.set("since", summary.since ? Value(time_text(*summary.since)) : Value());
    Warnings own;
    std::ranges::copy_if(warned, std::back_inserter(own),
                         [&](const Warning& each) { return each.partition == summary.name; });
    value.set("warnings", to_value(own));
    return value;
}

// One resource of a partition, with what is wrong with it.
void print_resource(VerbContext& work, const Resource& wanted, const Inspection& view) {
    const bool color = work.request.color;
    const auto change = std::ranges::find(view.plan.changes, wanted.key, &Change::key);
    const bool differs =
        change != view.plan.changes.end() ||
        std::ranges::find(view.plan.conflicts, wanted.key, &Conflict::key) != view.plan.conflicts.end() ||
        std::ranges::find(view.plan.blocked, wanted.key, &Blocked::key) != view.plan.blocked.end();
    const std::string mark =
        plan::painted(differs ? "✗" : "✓", differs ? plan::Color::Red : plan::Color::Green, color);
    const std::string summary = wanted.key.kind->summary == nullptr || work.keeps(wanted.source)
                                    ? ""
                                    : wanted.key.kind->summary(wanted.spec);
    work.print("  {} {}{}{}  {}\n", mark, wanted.key.text(), summary.empty() ? "" : " ", printable(summary),
               plan::painted(wanted.source.place(), plan::Color::Grey, color));
}

// Obstacles to the removal of groups that are not wanted any more; of all owners for "".
std::vector<std::string> obstacles(const Inspection& view, const std::string& owner) {
    std::vector<std::string> all;
    for (const Resource& found : view.observed.all()) {
        if (found.spec.is<Cgroup>() && (owner.empty() || found.owner == owner) &&
            !found.spec.as<Cgroup>().in_the_way.empty()) {
            all.push_back(found.spec.as<Cgroup>().in_the_way);
        }
    }
    return all;
}

void print_whole(VerbContext& work, const Summary& summary, const Inspection& view, const Warnings& warned,
                 const std::optional<InitState>& init) {
    work.print("{}{}{}\n", summary.name, summary.description.empty() ? "" : " — ",
               printable(summary.description));
    work.print("  state      {}\n", state_text(summary.state, work.request.color));
    work.print("  addresses  {}\n", addresses_text(summary.addresses));
    work.print("  since      {}\n", summary.since ? time_text(*summary.since) : "-");
    work.print("  memory     {}\n  processes  {}\n  nat        {}\n", memory_text(summary), summary.processes,
               nat_text(summary));
    if (init) {
        work.print("  PID 1      {}\n", init_text(*init));
    }
    for (const Warning& warning : warned) {
        work.print("  {}    {}\n", plan::painted("warning", plan::Color::Yellow, work.request.color),
                   printable(warning.text()));
    }
    work.print("\n");
    for (const Resource& wanted : work.desired.compiled.desired.all()) {
        if (wanted.owner == summary.name) {
            print_resource(work, wanted, view);
        }
    }
    for (const std::string& obstacle : obstacles(view, summary.name)) {
        work.print("  in the way: {}\n", obstacle);
    }
    if (!view.plan.empty()) {
        work.print("\n{}", lines_of(view.plan, work.request.color));
    }
}

// Seconds until the apply that waits to be confirmed is taken back; nullopt when none waits.
std::optional<std::int64_t> tell_waiting(VerbContext& work, Engine& engine) {
    const auto waiting = engine.waiting();
    if (!waiting) {
        work.complain(waiting.error().message);
        return std::nullopt;
    }
    if (!*waiting) {
        return std::nullopt;
    }
    const std::int64_t left = std::chrono::ceil<std::chrono::seconds>(time_left(**waiting)).count();
    work.complain(fmt::format("an apply waits for partctl confirm; it is taken back in {} s", left));
    return left;
}

void print_as_json(VerbContext& work, const std::vector<Summary>& all, const Inspection& view,
                   const Warnings& warned, std::optional<std::int64_t> waits,
                   const std::optional<InitState>& init) {
    Value partitions = Array();
    std::ranges::for_each(all, [&](const Summary& summary) { partitions.push(to_value(summary, warned)); });
    Value in_the_way = Array();
    for (std::string& obstacle : obstacles(view, work.request.name)) {
        in_the_way.push(std::move(obstacle));
    }
    Value value = work.request.name.empty() ? Value() : plan::to_value(view.plan);
    value.set("partitions", std::move(partitions));
    value.set("in_the_way", std::move(in_the_way));
    value.set("waits", waits ? Value(*waits) : Value());
    if (!work.request.name.empty()) {
        value.set("init", init_value(init));
    }
    work.print_json(std::move(value));
}

}  // namespace

Answer status(Engine& engine, const Request& request) {
    if (request.layers) {
        return list_layers(engine, request);
    }
    VerbContext work(engine.paths(), request);
    if (!work.inspect(engine, true)) {
        return std::move(work.answer);
    }
    Inspection& view = work.view;
    auto all = summarize(engine, work.desired, view);
    work.keep(view.plan);
    std::ranges::for_each(all, [&](Summary& summary) {
        if (work.keeps(summary.source)) {
            summary.description.clear();
        }
    });
    std::erase_if(
        all, [&](const Summary& summary) { return !request.name.empty() && summary.name != request.name; });
    if (all.empty() && !request.name.empty()) {
        Summary other;
        other.name = request.name;
        other.state = view.plan.empty() ? "active" : "degraded";
        all.push_back(std::move(other));
    }
    const auto waits = tell_waiting(work, engine);
    Warnings warned = warnings_about(work, engine.host(), request.name);
    add_waits(work, engine.host(), request.name, warned);
    if (!request.name.empty()) {
        add_cut_offs(work, engine, request.name, warned);
    }
    const auto init =
        request.name.empty() ? std::nullopt : init_state(engine.host(), view.observed, request.name);
    if (request.json) {
        print_as_json(work, all, view, warned, waits, init);
    } else if (request.name.empty()) {
        work.print("{}", status_lines(all, request));
        if (all.empty() && work.desired.files.empty() && request.legend) {
            work.say(kNoFiles);
        }
        for (const std::string& obstacle : obstacles(view, {})) {
            work.complain("in the way of a removal: " + obstacle);
        }
        for (const Warning& warning : warned) {
            work.say(printable("warning: " + warning.text()));
        }
    } else {
        print_whole(work, all.front(), view, warned, init);
    }
    const bool invalid = request.name.empty() ? !work.desired.good() : all.front().state == "invalid";
    const bool differs = !view.plan.empty() || invalid;
    return work.done(request.check && differs ? kDifferences : kDone);
}

}  // namespace partd::verbs
