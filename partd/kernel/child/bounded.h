// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace partd::kernel {

// Work for others, in a process of its own: whatever it takes, this one does not wait for it, nor grow by it.
struct Bounds {
    std::size_t memory = 0;        // bytes beyond what this process has
    std::chrono::seconds time{0};  // of a processor
    std::size_t answer = 0;        // bytes
    bool needs_rights = false;     // else it is done as nobody, who may neither read nor change anything
};

class BoundedWork {
public:
    // Runs `work` in a fork, with no descriptors open but the streams. Its return value is the answer.
    static Result<BoundedWork> start(const Bounds& bounds, const std::function<std::string()>& work);
    BoundedWork(BoundedWork&& other) noexcept;
    BoundedWork& operator=(BoundedWork&&) = delete;
    BoundedWork(const BoundedWork&) = delete;
    BoundedWork& operator=(const BoundedWork&) = delete;
    // Kills it.
    ~BoundedWork();

    // Becomes readable when it has ended (poll(2)).
    [[nodiscard]] int fd() const { return process_.get(); }
    void stop() const;
    // Once it has ended: its answer; an error when it went beyond its bounds, or was stopped.
    Result<std::string> answer();

private:
    BoundedWork(pid_t pid, Fd process, Fd answer)
        : pid_(pid), process_(std::move(process)), answer_(std::move(answer)) {}

    pid_t pid_;
    Fd process_;  // pidfd_open(2)
    Fd answer_;   // memfd_create(2)
};

}  // namespace partd::kernel
