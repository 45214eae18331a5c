// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/cgroup/limit_text.h"
#include "plan/render.h"
#include "verbs/context.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

// A part of the name is told with it.
bool is_kept(VerbContext& work, const Resource& wanted, const Field& field) {
    return field.options.role != Role::Identity &&
           ((work.request.reader && field.options.told != nullptr) || work.keeps(wanted.source));
}

// The values of one side, but for those that are kept from who asks.
Value values_of(VerbContext& work, const Resource& wanted, const Spec& spec) {
    Value values = tabled_json(spec.table(), spec.data());
    for (const Field& field : spec.table().fields) {
        if (values.find_path(field.name) != nullptr && is_kept(work, wanted, field)) {
            values.set_path(field.name, kKept);
        }
    }
    return values;
}

Value to_value(VerbContext& work, const Resource& wanted, const State& observed) {
    Value value;
    value.set("kind", wanted.key.kind->name);
    value.set("name", wanted.key.name);
    value.set("file", wanted.source ? Value(*wanted.source.file) : Value());
    value.set("line", wanted.source ? Value(wanted.source.line) : Value());
    value.set("wanted", values_of(work, wanted, wanted.spec));
    const Resource* found = observed.find(wanted.key);
    value.set("found", found == nullptr ? Value() : values_of(work, wanted, found->spec));
    return value;
}

std::string as_written(const Field& field, const Spec& spec) {
    const std::string text = field.text == nullptr ? "" : field.text(spec.data());
    return spec.is<Limit>() ? with_units(spec.as<Limit>().key, text) : text;
}

void print(VerbContext& work, const Resource& wanted, const State& observed) {
    const bool color = work.request.color;
    work.print("{}  {}\n", wanted.key.text(), plan::painted(wanted.source.place(), plan::Color::Grey, color));
    const Resource* found = observed.find(wanted.key);
    for (const Field& field : wanted.spec.table().fields) {
        const std::string want = as_written(field, wanted.spec);
        const std::string have = found == nullptr ? "" : as_written(field, found->spec);
        if (want.empty() && have.empty()) {
            continue;
        }
        if (is_kept(work, wanted, field)) {
            work.print("  {:<14} {}\n", field.name, kKept);
            continue;
        }
        const bool compared = field.options.role == Role::Managed || field.options.role == Role::Replace;
        const bool differs =
            found == nullptr || (compared && !field.same(wanted.spec.data(), found->spec.data()));
        const std::string now = !differs ? ""
                                         : fmt::format("   now: {}", found == nullptr ? "not there"
                                                                     : have.empty()   ? "none"
                                                                                      : have);
        work.print("  {:<14} {}{}\n", field.name, printable(want.empty() ? have : want),
                   plan::painted(printable(now), plan::Color::Yellow, color));
    }
}

}  // namespace

Answer show(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (!work.inspect(engine, true)) {
        return std::move(work.answer);
    }
    Value resources = Array();
    for (const Resource& wanted : work.desired.compiled.desired.all()) {
        if (wanted.owner != request.name) {
            continue;
        }
        if (request.json) {
            resources.push(to_value(work, wanted, work.view.observed));
        } else {
            print(work, wanted, work.view.observed);
        }
    }
    if (request.json) {
        Value value;
        value.set("name", request.name);
        value.set("resources", std::move(resources));
        work.print_json(std::move(value));
    }
    return work.done();
}

}  // namespace partd::verbs
