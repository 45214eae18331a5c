// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "verbs/context.h"
#include "verbs/summary.h"
#include "verbs/table.h"

#include <algorithm>

namespace partd::verbs {

namespace {

Value to_value(const Generation& generation) {
    Value value;
    value.set("generation", generation.number);
    value.set("time", time_text(generation.time));
    value.set("origin", generation.origin);
    value.set("outcome", generation.outcome);
    Value& files = value.set("files", Array());
    std::ranges::for_each(generation.files, [&](const TextFile& file) { files.push(file.path); });
    return value;
}

}  // namespace

Answer history(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    Value all = Array();
    TextTable table({"GENERATION", "TIME", "FILES", "OUTCOME", "ORIGIN"});
    const auto numbers = engine.history().numbers();
    if (!numbers) {
        return work.failed(numbers.error());
    }
    for (const std::uint64_t number : *numbers) {
        const auto read = engine.history().find(number);
        if (!read || !*read) {
            work.complain(read ? fmt::format("generation {} is damaged", number) : read.error().message);
            continue;
        }
        const Generation& generation = **read;
        all.push(to_value(generation));
        table.add({std::to_string(number), time_text(generation.time),
                   std::to_string(generation.files.size()), printable(generation.outcome),
                   printable(generation.origin)});
    }
    if (request.json) {
        Value value;
        value.set("generations", std::move(all));
        work.print_json(std::move(value));
    } else {
        work.print("{}", table.text(request.legend));
    }
    return work.done();
}

}  // namespace partd::verbs
