// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/child/channel.h"

#include <sys/types.h>

#include <functional>
#include <optional>

namespace partd::kernel {

// A process for what cannot be undone in this one, such as entering a user namespace. It is killed when this
// object goes, and when its parent dies.
class Child {
public:
    using VerbContext = std::function<Result<>()>;
    // Runs `work` there; and then `report`, if there is one, for as long as the child lives.
    static Result<Child> start(const VerbContext& work, const VerbContext& report = {});
    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    [[nodiscard]] pid_t pid() const { return pid_; }
    // Waits for what `work` came to; an error when it takes more than a minute, or was stopped by somebody in
    // the namespaces that it entered.
    Result<> result();
    // Waits for what `report` came to; nullopt when it takes more than a minute, or the child is gone.
    std::optional<Result<>> report();
    // Becomes readable when report() has its answer (poll(2)).
    [[nodiscard]] int fd() const { return channel_.fd(); }

private:
    Child(pid_t pid, Channel channel) : pid_(pid), channel_(std::move(channel)) {}

    pid_t pid_;
    Channel channel_;
};

// Runs `work` in a child process. While the child waits, `meanwhile` may look at it from outside; then it
// ends. Returns the first error of the two, the child's as it was there. A child that takes more than a
// minute, or whose parent dies, is killed.
Result<> in_child(const std::function<Result<>()>& work,
                  const std::function<Result<>(pid_t child)>& meanwhile = {});

// Ends a child of this process and waits until it is gone, but not for long: a frozen one does not go.
void end_child(pid_t pid);

// For a process that cannot leave a namespace of a partition, of the kind named: going on there would change
// the wrong host. Says why by errno, and ends the process as one whose changes failed.
[[noreturn]] void end_astray(const char* kind);

}  // namespace partd::kernel
