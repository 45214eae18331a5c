// SPDX-License-Identifier: Apache-2.0
#include "verbs/layers.h"

#include "kernel/layer/layers.h"
#include "kinds/machine/rootfs.h"
#include "verbs/context.h"
#include "verbs/summary.h"
#include "verbs/table.h"

#include <algorithm>
#include <chrono>

namespace partd::verbs {

namespace {

struct Line {
    std::string name;
    const char* state;  // for people; its word has hyphens
    kernel::LayerSize size;
};

std::vector<Line> lines_of(Engine& engine, const VerbContext& work, const kernel::Layers& layers,
                           const kernel::Layers::Names& names) {
    using std::chrono::milliseconds;
    constexpr milliseconds kMost{60'000};
    constexpr milliseconds kMostInDaemon{100};  // others wait for it
    const auto deadline =
        std::chrono::steady_clock::now() + (engine.host().patience() ? kMostInDaemon : kMost);
    const Ledger& ledger = engine.ledger();
    std::vector<Line> lines;
    const std::string& only = work.request.name;
    for (const std::string& name : names.layers) {
        if (!only.empty() && name != only) {
            continue;
        }
        const bool used = ledger.find({kLayer.kind.name, name}) != nullptr;
        const bool declared = work.desired.compiled.desired.find(layer_key(name)) != nullptr;
        lines.push_back({name,
                         used       ? "in use"
                         : declared ? "declared"
                                    : "kept",
                         layers.size(name, deadline)});
    }
    for (const std::string& name : names.leftover) {
        if (!only.empty() && name != only) {
            continue;
        }
        lines.push_back({name, "half purged", {}});
    }
    return lines;
}

std::string written_text(const kernel::LayerSize& size) {
    return size.written == 0 ? "-" : time_text(std::chrono::system_clock::from_time_t(size.written));
}

Value to_value(const Line& line, const kernel::Layers& layers) {
    Value value;
    value.set("name", line.name);
    std::string word = line.state;
    std::ranges::replace(word, ' ', '-');
    value.set("state", std::move(word));
    value.set("path", layers.path_of(line.name));
    value.set("bytes", line.size.bytes);
    value.set("files", line.size.files);
    value.set("complete", line.size.complete);
    value.set("written", line.size.written == 0 ? Value() : Value(written_text(line.size)));
    return value;
}

}  // namespace

Answer list_layers(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (!work.load(true)) {
        return std::move(work.answer);
    }
    const kernel::Layers layers(engine.paths().layers());
    const auto names = layers.list();
    if (!names) {
        return work.failed(names.error());
    }
    for (const auto& foreign : names->foreign) {
        work.complain(foreign.why);
    }
    const auto lines = lines_of(engine, work, layers, *names);
    if (request.json) {
        Value all = Array();
        for (const Line& line : lines) {
            all.push(to_value(line, layers));
        }
        Value value;
        value.set("layers", std::move(all));
        work.print_json(std::move(value));
        return work.done();
    }
    TextTable table({"LAYER", "STATE", "SIZE", "LAST WRITTEN"});
    for (const Line& line : lines) {
        table.add({line.name, line.state, size_text(line.size), written_text(line.size)});
    }
    work.print("{}", table.text(request.legend));
    return work.done();
}

}  // namespace partd::verbs
