// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/partition.h"
#include "verbs/context.h"
#include "verbs/table.h"

#include <map>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

struct Listed {
    std::string kind;
    Source at;
    std::string description;
};

std::map<std::string, Listed> declared_in(VerbContext& work, const Declared& declared) {
    std::map<std::string, Listed> all;
    for (const DeclaredObject* object : declared.all<Limits>()) {
        all[object->owner] = {"slice", object->source, ""};
    }
    for (const DeclaredObject* object : declared.all<Partition>()) {
        const auto& description = object->spec.as<Partition>().description;
        all[object->owner] = {"partition", object->source,
                              work.keeps(object->source) ? "" : description.value_or("")};
    }
    return all;
}

}  // namespace

// Lists the declared partitions and slices; needs no rights and does not look at the host.
Answer list(const kernel::Paths& paths, const Request& request) {
    VerbContext work(paths, request);
    if (!work.load(true)) {
        return std::move(work.answer);
    }
    const auto all = declared_in(work, work.desired.compiled.declared);
    if (request.json) {
        Value objects = Array();
        for (const auto& [name, listed] : all) {
            Value value;
            value.set("name", name);
            value.set("kind", listed.kind);
            Value& place = value.set("declared", Object());
            place.set("file", *listed.at.file);
            place.set("line", listed.at.line);
            value.set("description", listed.description);
            objects.push(std::move(value));
        }
        Value value;
        value.set("objects", std::move(objects));
        work.print_json(std::move(value));
        return work.done();
    }
    TextTable table({"NAME", "KIND", "DECLARED", "DESCRIPTION"});
    for (const auto& [name, listed] : all) {
        table.add({name, listed.kind, listed.at.place(), printable(listed.description)});
    }
    work.print("{}", table.text(request.legend));
    return work.done();
}

}  // namespace partd::verbs
