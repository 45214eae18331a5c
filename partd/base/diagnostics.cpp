#include "base/diagnostics.h"

#include <algorithm>

namespace partd {

void Diagnostics::error(Source at, std::string message, Source other, std::string note) {
    const auto same = [&](const Problem& problem) {
        return problem.message == message && problem.at.text() == at.text();
    };
    if (std::ranges::none_of(problems_, same)) {
        problems_.push_back({std::move(at), std::move(message), std::move(other), std::move(note)});
    }
}

}  // namespace partd
