#include "base/text.h"
#include "ctl/session.h"
#include "ctl/table.h"
#include "kinds/cgroup.h"
#include "kinds/partition.h"

#include <map>

#include <fmt/format.h>

namespace partd::ctl {

namespace {

struct Listed {
    std::string kind;
    std::string place;
    std::string description;
};

std::map<std::string, Listed> list(const Declared& declared) {
    std::map<std::string, Listed> all;
    for (const DeclaredObject* object : declared.all<Limits>()) {
        all[object->owner] = {"slice", object->source.place(), ""};
    }
    for (const DeclaredObject* object : declared.all<Partition>()) {
        all[object->owner] = {"partition", object->source.place(),
                              object->spec.as<Partition>().description.value_or("")};
    }
    return all;
}

}  // namespace

// What the files declare; needs no rights and does not look at the host.
int run_list(const Options& options) {
    auto desired = load_desired(options.paths(), {.keep_going = true});
    if (!desired) {
        complain(desired.error().message);
        return kInvalid;
    }
    complain(desired->problems);
    const auto all = list(desired->compiled.declared);
    if (options.json) {
        Value objects = Array();
        for (const auto& [name, listed] : all) {
            Value value;
            value.set("name", name);
            value.set("kind", listed.kind);
            value.set("declared", listed.place);
            value.set("description", listed.description);
            objects.push(std::move(value));
        }
        Value value;
        value.set("objects", std::move(objects));
        print_json(std::move(value));
        return kDone;
    }
    TextTable table({"NAME", "KIND", "DECLARED", "DESCRIPTION"});
    for (const auto& [name, listed] : all) {
        table.add({name, listed.kind, listed.place, printable(listed.description)});
    }
    fmt::print("{}", table.text(options.legend));
    return kDone;
}

}  // namespace partd::ctl
