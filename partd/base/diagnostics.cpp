// SPDX-License-Identifier: Apache-2.0
#include "base/diagnostics.h"

namespace partd {

void Diagnostics::error(Source at, std::string message, Source other, std::string note) {
    if (told_.insert(at.text() + " " + message).second) {
        problems_.push_back({std::move(at), std::move(message), std::move(other), std::move(note)});
    }
}

}  // namespace partd
