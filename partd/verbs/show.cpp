#include "base/text.h"
#include "plan/render.h"
#include "verbs/work.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

Value to_value(const Resource& wanted, const State& observed) {
    Value value;
    value.set("kind", wanted.key.kind->name);
    value.set("name", wanted.key.name);
    value.set("file", wanted.source ? Value(*wanted.source.file) : Value());
    value.set("line", wanted.source ? Value(wanted.source.line) : Value());
    value.set("wanted", tabled_json(wanted.spec.table(), wanted.spec.data()));
    const Resource* found = observed.find(wanted.key);
    value.set("found", found == nullptr ? Value() : tabled_json(found->spec.table(), found->spec.data()));
    return value;
}

void print(Work& work, const Resource& wanted, const State& observed) {
    const bool color = work.request.color;
    work.print("{}  {}\n", wanted.key.text(), plan::painted(wanted.source.place(), plan::Color::Grey, color));
    const Resource* found = observed.find(wanted.key);
    for (const Field& field : wanted.spec.table().fields) {
        const std::string want = field.text == nullptr ? "" : field.text(wanted.spec.data());
        const std::string have =
            field.text == nullptr || found == nullptr ? "" : field.text(found->spec.data());
        if (want.empty() && have.empty()) {
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
    Work work(engine.paths(), request);
    if (!work.load(true) || !work.knows_name(engine)) {
        return std::move(work.answer);
    }
    auto view = engine.look(work.desired, request.name);
    if (!view) {
        return work.failed(view.error());
    }
    Value resources = Array();
    for (const Resource& wanted : work.desired.compiled.desired.all()) {
        if (wanted.owner != request.name) {
            continue;
        }
        if (request.json) {
            resources.push(to_value(wanted, view->observed));
        } else {
            print(work, wanted, view->observed);
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
