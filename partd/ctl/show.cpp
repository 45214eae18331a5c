#include "base/text.h"
#include "ctl/session.h"
#include "plan/render.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::ctl {

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

void print(const Resource& wanted, const State& observed, bool color) {
    fmt::print("{}  {}\n", wanted.key.text(), plan::painted(wanted.source.place(), plan::Color::Grey, color));
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
        fmt::print("  {:<14} {}{}\n", field.name, printable(want.empty() ? have : want),
                   plan::painted(printable(now), plan::Color::Yellow, color));
    }
}

}  // namespace

int run_show(const Options& options) {
    auto session = open_session(options, "show", true);
    if (!session) {
        return session.error();
    }
    if (!knows_name(*session, options.name)) {
        return kUsage;
    }
    const State& desired = session->desired.compiled.desired;
    auto view = look(session->host, desired, options.name);
    if (!view) {
        complain(view.error().message);
        return kSomeFailed;
    }
    Value resources = Array();
    for (const Resource& wanted : desired.all()) {
        if (wanted.owner != options.name) {
            continue;
        }
        if (options.json) {
            resources.push(to_value(wanted, view->observed));
        } else {
            print(wanted, view->observed, options.color);
        }
    }
    if (options.json) {
        Value value;
        value.set("name", options.name);
        value.set("resources", std::move(resources));
        print_json(std::move(value));
    }
    return kDone;
}

}  // namespace partd::ctl
