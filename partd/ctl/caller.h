// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ctl/remote.h"

#include <chrono>
#include <memory>
#include <optional>

namespace partd::ctl {

// Calls a verb in the daemon, or in this process.
class Caller {
public:
    explicit Caller(const Options& options) : options_(options) {}

    // False after saying why there is nobody; `code` says what to exit with. Again: whoever is there now.
    bool open(const Verb& verb, int& code, std::optional<std::chrono::milliseconds> patience = {});
    Answer ask(const Verb& verb, const Request& request);
    // Until something happened, or that time is over.
    void pause(std::chrono::milliseconds patience);

    // nullptr while this process does the work.
    Remote* remote() { return remote_.get(); }

private:
    const Options& options_;
    std::unique_ptr<Remote> remote_;
    std::unique_ptr<Engine> engine_;
};

// Prints an answer; returns its exit code.
int tell(const Answer& answer);

}  // namespace partd::ctl
