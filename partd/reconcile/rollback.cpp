// SPDX-License-Identifier: Apache-2.0
#include "reconcile/rollback.h"

#include "base/text.h"
#include "base/value.h"
#include "kernel/clock.h"
#include "kernel/file/files.h"
#include "kinds/kinds.h"
#include "reconcile/history.h"
#include "reconcile/reconciler.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace partd {

namespace {

using std::chrono::milliseconds;

// The object with all its values. A namespace that was replaced has equal values and another identity.
std::string line_of(const Resource& resource) {
    return resource.key.text() + " " + to_json(tabled_json(resource.spec.table(), resource.spec.data()));
}

std::vector<std::string> lines_of(const State& observed, const Scope& scope,
                                  const std::set<Ledger::Name>& taken = {}) {
    std::vector<std::string> lines;
    for (const Resource& resource : observed.all()) {
        const bool ours = resource.ownership == Ownership::Ours &&
                          !taken.contains({std::string(resource.key.kind->name), resource.key.name});
        if (ours && scope.covers(*resource.key.kind, resource.owner)) {
            lines.push_back(line_of(resource));
        }
    }
    std::ranges::sort(lines);
    return lines;
}

const Kind* kind_called(std::string_view name) {
    const auto kinds = pure_kinds();
    const auto found = std::ranges::find(kinds, name, &Kind::name);
    return found == kinds.end() ? nullptr : *found;
}

Value to_value(const Confirmation::Former& former) {
    Value value;
    value.set("kind", former.kind);
    value.set("name", former.name);
    value.set("field", former.field);
    value.set("value", former.value);
    return value;
}

std::string text_of(const Value& object, std::string_view key) {
    const Value* member = object.find(key);
    const auto* text = member == nullptr ? nullptr : member->get_if<std::string>();
    return text == nullptr ? "" : *text;
}

std::int64_t number_of(const Value& object, std::string_view key) {
    const Value* member = object.find(key);
    const auto* number = member == nullptr ? nullptr : member->get_if<std::int64_t>();
    return number == nullptr ? 0 : *number;
}

const Array& list_of(const Value& object, std::string_view key) {
    static const Array kNone;
    const Value* member = object.find(key);
    const auto* list = member == nullptr ? nullptr : member->get_if<Array>();
    return list == nullptr ? kNone : *list;
}

}  // namespace

Confirmation way_back(const Inspection& view, const Scope& scope, std::uint64_t generation,
                      milliseconds deadline) {
    Confirmation way{
        .generation = generation, .boot = kernel::boot_id(), .deadline = deadline, .scope = scope};
    for (const Change& change : view.plan.changes) {
        if (change.action != Action::Update) {
            continue;
        }
        for (const FieldChange& field : change.fields) {
            way.former.push_back({std::string(change.key.kind->name), change.key.name,
                                  std::string(field.field->name), field.field->json(change.found.data())});
        }
    }
    way.before = lines_of(view.observed, scope, view.taken);
    return way;
}

namespace {

std::string encode(const Confirmation& confirmation) {
    Value all;
    all.set("generation", confirmation.generation);
    all.set("boot", confirmation.boot);
    all.set("deadline", confirmation.deadline.count());
    Value& former = all.set("former", Array());
    std::ranges::for_each(confirmation.former, [&](const auto& each) { former.push(to_value(each)); });
    Value& before = all.set("before", Array());
    std::ranges::for_each(confirmation.before, [&](const std::string& line) { before.push(line); });
    all.set("everything", confirmation.scope.all);
    Value& owners = all.set("owners", Array());
    std::ranges::for_each(confirmation.scope.owners, [&](const auto& owner) { owners.push(owner); });
    const auto add_channels = [&](const char* key, const std::set<std::string_view>& channels) {
        Value& names = all.set(key, Array());
        std::ranges::for_each(channels, [&](const auto& channel) { names.push(std::string(channel)); });
    };
    add_channels("channels", confirmation.scope.channels);
    add_channels("in_channels", confirmation.scope.in_channels);
    return to_json(all) + "\n";
}

std::optional<Confirmation> decode(const std::string& json) {
    const auto all = from_json(json);
    if (!all) {
        return std::nullopt;
    }
    Confirmation found{.generation = static_cast<std::uint64_t>(number_of(*all, "generation")),
                       .boot = text_of(*all, "boot"),
                       .deadline = milliseconds(number_of(*all, "deadline"))};
    for (const Value& each : list_of(*all, "former")) {
        const Value* value = each.find("value");
        found.former.push_back({text_of(each, "kind"), text_of(each, "name"), text_of(each, "field"),
                                value == nullptr ? Value() : *value});
    }
    for (const Value& line : list_of(*all, "before")) {
        if (const auto* text = line.get_if<std::string>()) {
            found.before.push_back(*text);
        }
    }
    const Value* everything = all->find("everything");
    const auto* flag = everything == nullptr ? nullptr : everything->get_if<bool>();
    found.scope.all = flag != nullptr && *flag;
    for (const Value& owner : list_of(*all, "owners")) {
        found.scope.owners.insert(owner.get_if<std::string>() == nullptr ? "" : *owner.get_if<std::string>());
    }
    const auto read_channels = [&](const char* key, std::set<std::string_view>& channels) {
        for (const Kind* kind : pure_kinds()) {
            for (const Value& channel : list_of(*all, key)) {
                const auto* name = channel.get_if<std::string>();
                if (name != nullptr && !kind->channel.empty() && kind->channel == *name) {
                    channels.insert(kind->channel);
                }
            }
        }
    };
    read_channels("channels", found.scope.channels);
    read_channels("in_channels", found.scope.in_channels);
    return found;
}

}  // namespace

Result<> write_confirmation(const kernel::Paths& paths, const Confirmation& confirmation) {
    PARTD_TRY(kernel::make_directories(paths.library(), 0711));
    return kernel::write_durably(paths.confirmation(), encode(confirmation), 0600);
}

Result<std::optional<Confirmation>> read_confirmation(const kernel::Paths& paths) {
    const auto text = kernel::read_if_there(paths.confirmation());
    PARTD_TRY(text);
    return decode(*text);
}

Result<> write_way_back(const kernel::Paths& paths, const Confirmation& way) {
    PARTD_TRY(kernel::make_directories(paths.library(), 0711));
    PARTD_TRY(kernel::make_directories(paths.history(), 0700));
    return kernel::write_atomically(paths.way_back(), encode(way), 0600);
}

Result<std::optional<Confirmation>> read_way_back(const kernel::Paths& paths) {
    const auto text = kernel::read_if_there(paths.way_back());
    PARTD_TRY(text);
    return decode(*text);
}

Result<> forget_way_back(const kernel::Paths& paths) {
    return kernel::remove_file(paths.way_back());
}

Result<> remove_confirmation(const kernel::Paths& paths) {
    return kernel::remove_file(paths.confirmation());
}

milliseconds time_left(const Confirmation& confirmation) {
    return confirmation.boot != kernel::boot_id()
               ? milliseconds(0)
               : std::max(milliseconds(0), confirmation.deadline - kernel::since_boot());
}

void want_former(const Confirmation& confirmation, State& desired) {
    if (confirmation.boot != kernel::boot_id()) {
        return;
    }
    for (const auto& former : confirmation.former) {
        const Kind* kind = kind_called(former.kind);
        Resource* wanted = kind == nullptr ? nullptr : desired.find({kind, former.name});
        if (wanted == nullptr) {
            continue;
        }
        for (const Field& field : wanted->spec.table().fields) {
            const bool open = field.name == former.field && field.text(wanted->spec.data()).empty();
            if (open) {
                wanted->spec = wanted->spec.with(field, former.value);
            }
        }
    }
}

std::vector<std::string> differences(const Confirmation& confirmation, const State& observed) {
    std::vector<std::string> differing;
    if (confirmation.boot == kernel::boot_id()) {
        std::ranges::set_symmetric_difference(confirmation.before, lines_of(observed, confirmation.scope),
                                              std::back_inserter(differing));
    }
    return differing;
}

std::string object_of(const std::string& line) {
    return line.substr(0, line.find(" {"));
}

std::uint64_t hash_of(const std::vector<TextFile>& files) {
    return fnv1a(encode_files(files));
}

namespace {

// Where it stands when the disk cannot take it: until the next boot.
std::string rolled_back_now(const kernel::Paths& paths) {
    return paths.state() + "/rolled-back";
}

}  // namespace

Result<> write_rolled_back(const kernel::Paths& paths, const RolledBack& rolled_back) {
    const std::string text = fmt::format("{:016x} {}\n", rolled_back.files, rolled_back.generation);
    auto kept = kernel::make_directories(paths.library(), 0711);
    kept = kept ? kernel::write_durably(paths.rolled_back(), text, 0600) : std::move(kept);
    if (kept) {
        return kernel::remove_file(rolled_back_now(paths));
    }
    const auto now = kernel::write_atomically(rolled_back_now(paths), text, 0600);
    return now ? Result<>(std::unexpected(std::move(kept).error().wrap(
                     "the files say nothing until they change, but only until the next boot")))
               : std::move(kept);
}

Result<std::optional<RolledBack>> read_rolled_back(const kernel::Paths& paths) {
    auto text = kernel::read_if_there(rolled_back_now(paths));
    if (text && text->empty()) {
        text = kernel::read_if_there(paths.rolled_back());
    }
    PARTD_TRY(text);
    const auto parts = words(trim(*text));
    const auto files = parts.size() == 2 ? parse_number(parts[0], 16) : std::nullopt;
    const auto generation = parts.size() == 2 ? parse_number(parts[1]) : std::nullopt;
    return files && generation ? std::optional(RolledBack{*files, *generation}) : std::nullopt;
}

Result<> forget_rolled_back(const kernel::Paths& paths) {
    auto gone = kernel::remove_file(paths.rolled_back());
    if (gone) {
        return kernel::remove_file(rolled_back_now(paths));
    }
    // Until then this is what is read, and it says nothing of any files.
    PARTD_TRY(kernel::write_atomically(rolled_back_now(paths), "nothing\n", 0600));
    return std::unexpected(
        std::move(gone).error().wrap("the files count again, but only until the next boot"));
}

}  // namespace partd
