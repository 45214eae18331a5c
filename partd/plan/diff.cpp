// SPDX-License-Identifier: Apache-2.0
#include "plan/diff.h"

#include "plan/order.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace partd::plan {

namespace {

// Two types of one kind have no field in common that could be compared; the first of each says which it is.
FieldChange of_another_type(const Resource& wanted, const Resource& found) {
    const Field& type = wanted.spec.table().fields.front();
    const Source* place = wanted.places.of(0);
    return {&type, found.spec.table().fields.front().text(found.spec.data()), type.text(wanted.spec.data()),
            place == nullptr ? wanted.source : *place};
}

}  // namespace

std::vector<FieldChange> compare(const Resource& wanted, const Resource& found) {
    std::vector<FieldChange> changes;
    const auto fields = wanted.spec.table().fields;
    if (&wanted.spec.table() != &found.spec.table()) {
        return {of_another_type(wanted, found)};
    }
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const Field& field = fields[i];
        const bool compared = field.options.role == Role::Managed || field.options.role == Role::Replace;
        if (compared && !field.same(wanted.spec.data(), found.spec.data())) {
            const Source* place = wanted.places.of(i);
            Sides told = {field.text(found.spec.data()), field.text(wanted.spec.data())};
            if (field.options.told != nullptr) {
                told = field.options.told(told.first, told.second);
            }
            changes.push_back({&field, std::move(told.first), std::move(told.second),
                               place == nullptr ? wanted.source : *place});
        }
    }
    return changes;
}

namespace {

using KeyIndex = std::unordered_map<Key, std::size_t, KeyHash>;

// The wanted resources, each behind what it needs.
std::vector<const Resource*> in_order_of_needs(const State& desired) {
    std::vector<const Resource*> ordered;
    Keys visited;
    const auto visit = [&](const auto& self, const Resource& resource) -> void {
        if (!visited.insert(resource.key).second) {
            return;
        }
        for (const Key& need : resource.depends_on) {
            if (const Resource* needed = desired.find(need)) {
                self(self, *needed);
            }
        }
        ordered.push_back(&resource);
    };
    for (const Resource& resource : desired.all()) {
        visit(visit, resource);
    }
    return ordered;
}

class Differ {
public:
    Differ(const State& desired, const State& observed, const DiffOptions& options)
        : desired_(desired), observed_(observed), options_(options) {}

    Plan run() && {
        for (const Resource* wanted : in_order_of_needs(desired_)) {
            judge(*wanted);
        }
        if (options_.removals) {
            find_removals();
        }
        connect_removals();
        connect_creations();
        prepare_before_ending();
        return std::move(plan_);
    }

private:
    // Plans one wanted resource: nothing, a creation, a change, a replacement or a conflict.
    void judge(const Resource& wanted) {
        const Resource* found = observed_.find(wanted.key);
        if (const Key* blocker = blocker_of(wanted)) {
            plan_.blocked.push_back({wanted.key, wanted.owner, wanted.source, *blocker});
            blockers_.emplace(wanted.key, *blocker);
        } else if (found != nullptr && found->ownership == Ownership::Foreign) {
            plan_.conflicts.push_back({wanted.key, wanted.owner, wanted.source, found->holder});
            blockers_.emplace(wanted.key, wanted.key);
        } else if (found == nullptr || container_is_new(wanted)) {
            if (found != nullptr && options_.removals && !goes_along(*found)) {
                removed_.insert(found->key);  // a remainder of what stood in the old container
            }
            add(Action::Create, wanted, nullptr,
                found == nullptr ? std::vector<FieldChange>() : compare(wanted, *found));
        } else {
            judge_fields(wanted, *found);
        }
    }

    void judge_fields(const Resource& wanted, const Resource& found) {
        auto fields = compare(wanted, found);
        const auto needs_replacement = [](const FieldChange& change) {
            return change.field->options.role == Role::Replace;
        };
        if (std::ranges::any_of(fields, needs_replacement)) {
            if (options_.removals) {
                removed_.insert(wanted.key);
                add(Action::Create, wanted, nullptr, std::move(fields));
            }
        } else if (!fields.empty()) {
            add(Action::Update, wanted, &found, std::move(fields));
        }
    }

    const Key* blocker_of(const Resource& wanted) const {
        for (const Key& need : wanted.depends_on) {
            if (const auto found = blockers_.find(need); found != blockers_.end()) {
                return &found->second;
            }
        }
        return nullptr;
    }

    bool container_is_new(const Resource& wanted) const {
        return std::ranges::any_of(wanted.contained_in, [&](const Key& container) {
            const auto change = made_.find(container);
            return change != made_.end() && plan_.changes[change->second].action == Action::Create;
        });
    }

    // True if the removal of one of its containers takes it along. Containers may contain each other: what
    // was observed is the word of others.
    bool goes_along(const Resource& found) const {
        Keys seen;
        std::vector<Key> open = found.contained_in;
        while (!open.empty()) {
            const Key container = open.back();
            open.pop_back();
            if (removed_.contains(container)) {
                return true;
            }
            const Resource* outer = observed_.find(container);
            if (outer != nullptr && seen.insert(container).second) {
                open.insert(open.end(), outer->contained_in.begin(), outer->contained_in.end());
            }
        }
        return false;
    }

    void add(Action action, const Resource& wanted, const Resource* found, std::vector<FieldChange> fields) {
        made_.emplace(wanted.key, plan_.changes.size());
        plan_.changes.push_back({.action = action,
                                 .key = wanted.key,
                                 .owner = wanted.owner,
                                 .source = fields.size() == 1 ? fields[0].source : wanted.source,
                                 .wanted = wanted.spec,
                                 .found = found == nullptr ? Spec() : found->spec,
                                 .identity = found == nullptr ? "" : found->identity,
                                 .fields = std::move(fields)});
    }

    // Finds our resources that are not wanted any more. Partitions with `kept` stay when their file goes, and
    // so does everything that they depend on.
    void find_removals() {
        std::set<std::string> kept;
        for (const Resource& found : observed_.all()) {
            if (found.kept && found.ownership == Ownership::Ours && desired_.find(found.key) == nullptr) {
                kept.insert(found.owner);
            }
        }
        for (const Resource& found : observed_.all()) {
            if (found.ownership == Ownership::Ours && desired_.find(found.key) == nullptr &&
                !kept.contains(found.owner)) {
                removed_.insert(found.key);
            }
        }
        for (bool settled = false; !settled;) {
            settled = true;
            for (const Resource& found : observed_.all()) {
                if (found.ownership != Ownership::Ours || removed_.contains(found.key) ||
                    desired_.find(found.key) != nullptr) {
                    continue;
                }
                for (const Key& need : found.depends_on) {
                    settled &= removed_.erase(need) == 0;
                }
            }
        }
        for (const Resource& found : observed_.all()) {
            if (removed_.contains(found.key)) {
                taken_.emplace(found.key, plan_.changes.size());
                plan_.changes.push_back({.action = Action::Remove,
                                         .key = found.key,
                                         .owner = found.owner,
                                         .found = found.spec,
                                         .identity = found.identity});
            }
        }
    }

    // A removal comes behind those of everything that needs it; what stands inside it goes with it.
    void connect_removals() {
        for (const auto& [key, index] : taken_) {
            const Resource& found = *observed_.find(key);
            Change& change = plan_.changes[index];
            for (const Key& container : found.contained_in) {
                if (const auto outer = taken_.find(container); outer != taken_.end()) {
                    change.implied = true;
                    change.after.push_back(outer->second);
                }
            }
        }
        for (const auto& [key, index] : taken_) {
            const Resource& found = *observed_.find(key);
            for (const Key& need : found.depends_on) {
                const auto needed = taken_.find(need);
                const bool inside = std::ranges::find(found.contained_in, need) != found.contained_in.end();
                if (needed != taken_.end() && !inside) {
                    plan_.changes[needed->second].after.push_back(index);
                }
            }
        }
        // An implied removal happens together with its container's: changes that must precede it must precede
        // the removal of the outermost container.
        for (const auto& [key, index] : taken_) {
            if (!plan_.changes[index].implied) {
                continue;
            }
            const std::size_t outermost = outermost_of(index);
            std::vector<std::size_t> containers;
            for (const std::size_t other : plan_.changes[index].after) {
                if (contains(key, other)) {
                    containers.push_back(other);
                } else if (outermost_of(other) != outermost) {
                    plan_.changes[outermost].after.push_back(other);
                }
            }
            plan_.changes[index].after = std::move(containers);
        }
    }

    // The removal that the kernel takes this one along with; itself when it stands alone.
    std::size_t outermost_of(std::size_t index) const {
        for (std::size_t steps = 0; plan_.changes[index].implied && steps < taken_.size(); ++steps) {
            for (const Key& container : observed_.find(plan_.changes[index].key)->contained_in) {
                if (const auto outer = taken_.find(container); outer != taken_.end()) {
                    index = outer->second;
                    break;
                }
            }
        }
        return index;
    }

    bool contains(const Key& inner, std::size_t removal) const {
        const auto& within = observed_.find(inner)->contained_in;
        return std::ranges::find(within, plan_.changes[removal].key) != within.end();
    }

    // A creation comes behind its needs, the removal of what it replaces, and that of whoever has a name that
    // it wants.
    void connect_creations() {
        std::unordered_map<std::string, std::size_t> leaving;
        for (const auto& [key, index] : taken_) {
            for (const std::string& claim : observed_.find(key)->exclusive_names) {
                leaving.emplace(claim, index);
            }
        }
        for (const auto& [key, index] : made_) {
            const Resource& wanted = *desired_.find(key);
            auto& after = plan_.changes[index].after;
            for (const Key& need : wanted.depends_on) {
                if (const auto needed = made_.find(need); needed != made_.end()) {
                    after.push_back(needed->second);
                }
            }
            if (const auto old = taken_.find(key); old != taken_.end()) {
                after.push_back(old->second);
                plan_.changes[old->second].successor = wanted.spec;
            }
            for (const std::string& claim : wanted.exclusive_names) {
                if (const auto holder = leaving.find(claim); holder != leaving.end()) {
                    after.push_back(holder->second);
                    succeed(plan_.changes[holder->second], wanted);
                }
            }
        }
    }

    // One that goes for another of its kind, under another name, is told which.
    static void succeed(Change& removal, const Resource& successor) {
        if (!removal.successor && removal.key.kind == successor.key.kind) {
            removal.successor = successor.spec;
        }
    }

    // The old object of a replacement is removed only after everything that its successor depends on exists,
    // where the order allows it: if a dependency fails, the old object stays.
    void prepare_before_ending() {
        for (const auto& [key, removal] : taken_) {
            const auto made = made_.find(key);
            if (made == made_.end() || plan_.changes[removal].implied) {
                continue;
            }
            for (const Key& need : desired_.find(key)->depends_on) {
                const auto needed = made_.find(need);
                if (needed != made_.end() && !comes_after(needed->second, removal)) {
                    plan_.changes[removal].after.push_back(needed->second);
                }
            }
        }
    }

    // True if one change comes after the other, directly or through others.
    bool comes_after(std::size_t change, std::size_t other) const {
        std::unordered_set<std::size_t> seen;
        std::vector<std::size_t> open = {change};
        while (!open.empty()) {
            const std::size_t next = open.back();
            open.pop_back();
            if (next == other) {
                return true;
            }
            if (seen.insert(next).second) {
                const auto& after = plan_.changes[next].after;
                open.insert(open.end(), after.begin(), after.end());
            }
        }
        return false;
    }

    const State& desired_;
    const State& observed_;
    const DiffOptions& options_;
    Plan plan_;
    KeyIndex made_;   // creations and updates
    KeyIndex taken_;  // removals
    Keys removed_;
    std::unordered_map<Key, Key, KeyHash>
        blockers_;  // resources that cannot be made, and the conflict to blame
};

}  // namespace

Plan diff(const State& desired, const State& observed, const DiffOptions& options) {
    Plan plan = Differ(desired, observed, options).run();
    if (!options.only.empty()) {
        plan = restrict_to(std::move(plan), options.only, needs_of(desired, options.only));
    }
    return in_waves(std::move(plan));
}

}  // namespace partd::plan
