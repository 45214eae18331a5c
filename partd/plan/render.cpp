// SPDX-License-Identifier: Apache-2.0
#include "plan/render.h"

#include "base/text.h"
#include "model/kind.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace partd::plan {

std::string painted(std::string text, Color color, bool wanted) {
    return wanted ? fmt::format("\x1b[{}m{}\x1b[0m", static_cast<int>(color), text) : text;
}

namespace {

std::string or_none(const std::string& text) {
    return text.empty() ? "none" : printable(text);
}

std::string field_texts(const Change& change) {
    std::vector<std::string> texts;
    for (const FieldChange& field : change.fields) {
        constexpr std::size_t kReadable = 240;
        const bool readable = field.from.size() + field.to.size() <= kReadable && !change.kept;
        texts.push_back(
            readable ? fmt::format("{} {} → {}", field.field->name, or_none(field.from), or_none(field.to))
                     : fmt::format("{} as declared", field.field->name));
    }
    return join(texts, ", ");
}

std::string processes_text(std::size_t count) {
    return fmt::format("{} {}", count, count == 1 ? "process" : "processes");
}

// The cost for users of the object: " (ends 3 processes)", or "" when no process ends.
std::string cost_text(const Change& change) {
    return change.ends == 0 ? "" : fmt::format(" (ends {})", processes_text(change.ends));
}

std::string details(const Change& change) {
    if (change.action == Action::Update) {
        return ": " + field_texts(change);
    }
    const auto summarize = change.key.kind->summary;
    const Spec& spec = change.action == Action::Create ? change.wanted : change.found;
    const std::string text = summarize == nullptr || change.kept ? "" : summarize(spec);
    const std::string reason = change.fields.empty() ? "" : fmt::format(" (anew: {})", field_texts(change));
    return (text.empty() ? "" : " " + printable(text)) + reason;
}

std::string place(const Source& source, bool color) {
    return source ? "  " + painted(source.place(), Color::Grey, color) : "";
}

std::pair<std::string_view, Color> sign_of(Action action) {
    switch (action) {
        case Action::Create:
            return {"+", Color::Green};
        case Action::Update:
            return {"~", Color::Yellow};
        case Action::Remove:
            break;
    }
    return {"-", Color::Red};
}

std::string render_change(const Change& change, bool color) {
    const auto& [sign, hue] = sign_of(change.action);
    return painted(fmt::format("{} {}", sign, change.key.text()), hue, color) + details(change) +
           cost_text(change) + place(change.source, color) + "\n";
}

}  // namespace

namespace {

// The change whose line stands for others (Kind::front); nullptr when the plan has none: then each has its
// own line.
const Change* front_change(const Plan& plan) {
    const auto is_it = [](const Change& change) {
        return change.action != Action::Update && !change.key.kind->front.empty();
    };
    const auto found = std::ranges::find_if(plan.changes, is_it);
    return found == plan.changes.end() ? nullptr : &*found;
}

bool goes_with(const Change* front, const Change& change) {
    return front != nullptr && change.action == front->action &&
           (&change == front || change.key.kind->backstage);
}

}  // namespace

std::size_t folded(const Plan& plan) {
    const Change* front = front_change(plan);
    const auto together =
        std::ranges::count_if(plan.changes, [&](const Change& change) { return goes_with(front, change); });
    return together == 0 ? 0 : static_cast<std::size_t>(together) - 1;
}

std::string render(const Plan& plan, bool color, Lines lines) {
    const Change* front = lines == Lines::Folded ? front_change(plan) : nullptr;
    bool told = false;
    std::string text;
    for (const Change& change : plan.changes) {
        if (!goes_with(front, change)) {
            text += render_change(change, color);
        } else if (!told) {
            const auto& [sign, hue] = sign_of(change.action);
            text += painted(fmt::format("{} {}", sign, front->key.kind->front), hue, color) +
                    place(change.source, color) + "\n";
            told = true;
        }
    }
    for (const Conflict& conflict : plan.conflicts) {
        text += painted("! " + conflict.key.text(), Color::Magenta, color) +
                ": conflict: " + printable(conflict.holder) + place(conflict.source, color) + "\n";
    }
    for (const Blocked& blocked : plan.blocked) {
        text += painted("! " + blocked.key.text(), Color::Magenta, color) + ": waits for " +
                blocked.because.text() + place(blocked.source, color) + "\n";
    }
    return text;
}

std::string render_line(const Change& change) {
    std::string line = render_change(change, false);
    line.pop_back();
    return line;
}

std::string summary(const Plan& plan) {
    const auto count = [&](Action action) {
        return std::ranges::count(plan.changes, action, &Change::action);
    };
    const Change* front = front_change(plan);
    const auto lines_of = [&](Action action) {
        const bool together = front != nullptr && front->action == action;
        return count(action) - (together ? static_cast<std::ptrdiff_t>(folded(plan)) : 0);
    };
    std::vector<std::string> parts;
    const auto add = [&](auto number, std::string_view words) {
        if (number > 0) {
            parts.push_back(fmt::format("{} {}", number, words));
        }
    };
    add(lines_of(Action::Create), "to create");
    add(count(Action::Update), "to change");
    add(lines_of(Action::Remove), "to remove");
    std::size_t ended = 0;
    for (const Change& change : plan.changes) {
        ended += change.ends;
    }
    if (ended > 0) {
        parts.push_back("ends " + processes_text(ended));
    }
    add(plan.conflicts.size(), "in conflict");
    add(plan.blocked.size(), "waiting");
    return parts.empty() ? "nothing to do" : join(parts, ", ");
}

namespace {

Value identify(const Key& key, const std::string& owner, const Source& source) {
    Value value;
    value.set("kind", key.kind->name);
    value.set("name", key.name);
    value.set("partition", owner.empty() ? Value() : Value(owner));
    value.set("file", source ? Value(*source.file) : Value());
    value.set("line", source ? Value(source.line) : Value());
    return value;
}

}  // namespace

Value to_value(const Plan& plan) {
    Value changes = Array();
    for (const Change& change : plan.changes) {
        Value value = identify(change.key, change.owner, change.source);
        value.set("action", action_text(change.action));
        Value& fields = value.set("fields", Array());
        for (const FieldChange& field : change.fields) {
            Value& entry = (fields.push(Object()), fields.get_if<Array>()->back());
            entry.set("name", field.field->name);
            entry.set("from", field.from);
            entry.set("to", field.to);
        }
        value.set("ends_processes", change.ends);
        changes.push(std::move(value));
    }
    Value conflicts = Array();
    for (const Conflict& conflict : plan.conflicts) {
        Value value = identify(conflict.key, conflict.owner, conflict.source);
        value.set("holder", conflict.holder);
        conflicts.push(std::move(value));
    }
    Value blocked = Array();
    for (const Blocked& each : plan.blocked) {
        Value value = identify(each.key, each.owner, each.source);
        value.set("because", each.because.text());
        blocked.push(std::move(value));
    }
    Value all;
    all.set("changes", std::move(changes));
    all.set("conflicts", std::move(conflicts));
    all.set("blocked", std::move(blocked));
    return all;
}

}  // namespace partd::plan
