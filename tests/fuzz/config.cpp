// SPDX-License-Identifier: Apache-2.0
// Configuration text: load, compile, plan, render. A line "#---" begins another file.

#include "config/compile.h"
#include "fuzz.h"
#include "kinds/kinds.h"
#include "plan/diff.h"
#include "plan/render.h"

#include <string>
#include <vector>

using namespace partd;

namespace {

std::vector<TextFile> files_of(std::string_view text) {
    constexpr std::string_view kBorder = "\n#---\n";
    std::vector<TextFile> files;
    for (std::size_t at = 0; at != std::string_view::npos && files.size() < 3;) {
        const std::size_t end = text.find(kBorder, at);
        files.push_back({std::to_string(files.size()) + ".toml", std::string(text.substr(at, end - at))});
        at = end == std::string_view::npos ? end : end + kBorder.size();
    }
    return files;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto files = files_of(fuzz::as_text({data, size}));
    const auto compiled = config::compile(files, pure_kinds());
    for (const Problem& problem : compiled.problems.problems()) {
        fuzz::require(!problem.message.empty(), "a problem says what it is");
    }
    if (!compiled.problems.empty()) {
        return 0;
    }
    const State nothing;
    for (const auto& plan : {plan::diff(compiled.desired, nothing), plan::diff(nothing, compiled.desired)}) {
        plan::render(plan, true);
        to_json(plan::to_value(plan));
    }
    fuzz::require(plan::diff(compiled.desired, compiled.desired).empty(),
                  "a state needs no change to become itself");
    return 0;
}
