// SPDX-License-Identifier: Apache-2.0
#include "verbs/rates.h"

#include "verbs/table.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

std::optional<double> number_at(const Value& object, std::string_view key) {
    const Value* found = object.find(key);
    if (found == nullptr) {
        return std::nullopt;
    }
    if (const auto* integer = found->get_if<std::int64_t>()) {
        return static_cast<double>(*integer);
    }
    const auto* real = found->get_if<double>();
    return real == nullptr ? std::nullopt : std::optional(*real);
}

std::string text_at(const Value& object, std::string_view key) {
    const Value* found = object.find(key);
    const auto* text = found == nullptr ? nullptr : found->get_if<std::string>();
    return text == nullptr ? "" : *text;
}

const Array& readings_of(const Value& answer) {
    static const Array kNone;
    const Value* found = answer.find("readings");
    const auto* all = found == nullptr ? nullptr : found->get_if<Array>();
    return all == nullptr ? kNone : *all;
}

std::optional<std::uint64_t> whole(std::optional<double> number) {
    return number ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
}

// "512", "3.4K", "120M": at most five columns.
std::string amount(std::optional<double> bytes) {
    constexpr std::string_view kUnits = " KMGTP";
    constexpr double kStep = 1024;
    constexpr double kWhole = 100;
    if (!bytes) {
        return "-";
    }
    std::size_t unit = 0;
    for (; *bytes >= kStep && unit + 1 < kUnits.size(); ++unit) {
        *bytes /= kStep;
    }
    return unit == 0         ? fmt::format("{:.0f}", *bytes)
           : *bytes < kWhole ? fmt::format("{:.1f}{}", *bytes, kUnits[unit])
                             : fmt::format("{:.0f}{}", *bytes, kUnits[unit]);
}

// As wide as its column, which ends where the number ends.
std::string right(const std::string& text, std::size_t width) {
    return fmt::format("{:>{}}", text, width);
}

double sum(std::optional<double> one, std::optional<double> other) {
    return one.value_or(0) + other.value_or(0);
}

// The figure by which lines are sorted, the largest first.
double weight(const Rates& rates, std::string_view by) {
    return by == "cpu"         ? rates.cpu.value_or(-1)
           : by == "memory"    ? static_cast<double>(rates.memory.value_or(0))
           : by == "processes" ? static_cast<double>(rates.processes.value_or(0))
           : by == "io"        ? sum(rates.read, rates.written)
           : by == "net"       ? sum(rates.received, rates.sent)
                               : 0;
}

Value to_value(std::optional<double> rate) {
    return rate ? Value(*rate) : Value();
}

}  // namespace

double seconds_between(const Value& before, const Value& after) {
    constexpr double kMilli = 1000;
    return (number_at(after, "milliseconds").value_or(0) - number_at(before, "milliseconds").value_or(0)) /
           kMilli;
}

std::vector<Rates> rates_between(const Value& before, const Value& after) {
    constexpr double kPercent = 100;
    const double seconds = seconds_between(before, after);
    std::vector<Rates> all;
    for (const Value& now : readings_of(after)) {
        const std::string name = text_at(now, "name");
        const Array& old = readings_of(before);
        const auto then =
            std::ranges::find_if(old, [&](const Value& each) { return text_at(each, "name") == name; });
        const auto rate = [&](std::string_view key) -> std::optional<double> {
            const auto to = number_at(now, key);
            const auto from = then == old.end() ? std::nullopt : number_at(*then, key);
            return to && from && seconds > 0 ? std::optional(std::max(*to - *from, 0.0) / seconds)
                                             : std::nullopt;
        };
        const auto cpu = rate("cpu_seconds");
        const Value* estimated = now.find("estimated");
        const bool* guess = estimated == nullptr ? nullptr : estimated->get_if<bool>();
        all.push_back({.name = name,
                       .kind = text_at(now, "kind"),
                       .cpu = cpu ? std::optional(*cpu * kPercent) : std::nullopt,
                       .memory = whole(number_at(now, "memory")),
                       .processes = whole(number_at(now, "processes")),
                       .read = rate("read"),
                       .written = rate("written"),
                       .received = rate("received"),
                       .sent = rate("sent"),
                       .estimated = guess != nullptr && *guess});
    }
    return all;
}

void sort_rates(std::vector<Rates>& all, std::string_view by) {
    std::ranges::sort(all, [&](const Rates& one, const Rates& other) {
        const double first = weight(one, by);
        const double second = weight(other, by);
        return first != second ? first > second : one.name < other.name;
    });
}

std::string rates_table(const std::vector<Rates>& all, bool legend) {
    constexpr std::size_t kWidth = 6;
    TextTable table({"PARTITION", right("PROCS", kWidth), right("CPU%", kWidth), right("MEMORY", kWidth),
                     right("READ/s", kWidth), right("WRIT/s", kWidth), right("RECV/s", kWidth),
                     right("SENT/s", kWidth)});
    for (const Rates& each : all) {
        const auto memory = each.memory ? std::optional(static_cast<double>(*each.memory)) : std::nullopt;
        table.add({each.name + (each.estimated ? " ~" : ""),
                   right(each.processes ? std::to_string(*each.processes) : "-", kWidth),
                   right(each.cpu ? fmt::format("{:.1f}", *each.cpu) : "-", kWidth),
                   right(amount(memory), kWidth), right(amount(each.read), kWidth),
                   right(amount(each.written), kWidth), right(amount(each.received), kWidth),
                   right(amount(each.sent), kWidth)});
    }
    table.shrink(0);
    return table.text(legend);
}

Value to_value(const std::vector<Rates>& all, double seconds) {
    Value rates = Array();
    for (const Rates& each : all) {
        Value value;
        value.set("name", each.name);
        value.set("kind", each.kind);
        value.set("processes", each.processes ? Value(*each.processes) : Value());
        value.set("cpu", to_value(each.cpu));
        value.set("memory", each.memory ? Value(*each.memory) : Value());
        value.set("read", to_value(each.read));
        value.set("written", to_value(each.written));
        value.set("received", to_value(each.received));
        value.set("sent", to_value(each.sent));
        value.set("estimated", each.estimated);
        rates.push(std::move(value));
    }
    Value value;
    value.set("schema", 1);
    value.set("seconds", seconds);
    value.set("rates", std::move(rates));
    return value;
}

}  // namespace partd::verbs
