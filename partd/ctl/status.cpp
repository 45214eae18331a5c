#include "base/text.h"
#include "base/values.h"
#include "ctl/summary.h"
#include "ctl/table.h"
#include "plan/render.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::ctl {

namespace {

Value to_value(const Summary& summary) {
    Value value;
    value.set("name", summary.name);
    value.set("state", summary.state);
    value.set("description", summary.description);
    value.set("links", summary.links);
    value.set("addresses", summary.addresses);
    value.set("forwards", summary.forwards);
    value.set("masquerade", summary.masquerade);
    value.set("memory", summary.memory ? Value(*summary.memory) : Value());
    value.set("processes", summary.processes);
    value.set("since", summary.since ? Value(time_text(*summary.since)) : Value());
    return value;
}

std::string nat_text(const Summary& summary) {
    std::vector<std::string> parts;
    if (summary.masquerade) {
        parts.emplace_back("masquerade");
    }
    if (summary.forwards > 0) {
        parts.push_back(fmt::format("{} forward{}", summary.forwards, summary.forwards == 1 ? "" : "s"));
    }
    return parts.empty() ? "-" : join(parts, ", ");
}

std::string memory_text(const Summary& summary) {
    return summary.memory ? fmt::format("{:.1f}M", static_cast<double>(*summary.memory) / (1 << 20)) : "-";
}

plan::Color color_of(const std::string& state) {
    return state == "active"                                                ? plan::Color::Green
           : state == "degraded" || state == "missing" || state == "frozen" ? plan::Color::Yellow
                                                                            : plan::Color::Red;
}

void print_line_each(const std::vector<Summary>& all, const Options& options) {
    TextTable table({"PARTITION", "STATE", "LINKS", "ADDRESSES", "NAT", "MEMORY", "PROCESSES", "SINCE"});
    for (const Summary& summary : all) {
        table.add({summary.name, summary.state, std::to_string(summary.links),
                   std::to_string(summary.addresses), nat_text(summary), memory_text(summary),
                   std::to_string(summary.processes), summary.since ? time_text(*summary.since) : "-"});
    }
    fmt::print("{}", table.text(options.legend));
}

// One resource of a partition, with what is wrong with it.
void print_resource(const Resource& wanted, const View& view, const Options& options) {
    const auto change = std::ranges::find(view.plan.changes, wanted.key, &Change::key);
    const bool differs =
        change != view.plan.changes.end() ||
        std::ranges::find(view.plan.conflicts, wanted.key, &Conflict::key) != view.plan.conflicts.end() ||
        std::ranges::find(view.plan.blocked, wanted.key, &Blocked::key) != view.plan.blocked.end();
    const std::string mark =
        plan::painted(differs ? "✗" : "✓", differs ? plan::Color::Red : plan::Color::Green, options.color);
    const std::string summary =
        wanted.key.kind->summary == nullptr ? "" : wanted.key.kind->summary(wanted.spec);
    fmt::print("  {} {}{}{}  {}\n", mark, wanted.key.text(), summary.empty() ? "" : " ", printable(summary),
               plan::painted(wanted.source.place(), plan::Color::Grey, options.color));
}

void print_whole(const Summary& summary, Session& session, const View& view, const Options& options) {
    fmt::print("{}{}{}\n", summary.name, summary.description.empty() ? "" : " — ",
               printable(summary.description));
    fmt::print("  state      {}\n", plan::painted(summary.state, color_of(summary.state), options.color));
    fmt::print("  since      {}\n", summary.since ? time_text(*summary.since) : "-");
    fmt::print("  memory     {}\n  processes  {}\n  nat        {}\n\n", memory_text(summary),
               summary.processes, nat_text(summary));
    for (const Resource& wanted : session.desired.compiled.desired.all()) {
        if (wanted.owner == summary.name) {
            print_resource(wanted, view, options);
        }
    }
    if (!view.plan.empty()) {
        fmt::print("\n{}", plan::render(view.plan, options.color));
    }
}

}  // namespace

int run_status(const Options& options) {
    auto session = open_session(options, "status", true);
    if (!session) {
        return session.error();
    }
    auto view = look(session->host, session->desired.compiled.desired, options.name);
    if (!view) {
        complain(view.error().message);
        return kSomeFailed;
    }
    auto all = summarize(*session, *view);
    std::erase_if(
        all, [&](const Summary& summary) { return !options.name.empty() && summary.name != options.name; });
    if (all.empty() && !options.name.empty()) {
        complain(fmt::format("there is no partition \"{}\"", printable(options.name)));
        return kUsage;
    }
    if (options.json) {
        Value partitions = Array();
        std::ranges::for_each(all, [&](const Summary& summary) { partitions.push(to_value(summary)); });
        Value value = options.name.empty() ? Value() : plan::to_value(view->plan);
        value.set("partitions", std::move(partitions));
        print_json(std::move(value));
    } else if (options.name.empty()) {
        print_line_each(all, options);
    } else {
        print_whole(all.front(), *session, *view, options);
    }
    const bool differs = !view->plan.empty() || !session->desired.good();
    return options.check && differs ? kDifferences : kDone;
}

}  // namespace partd::ctl
