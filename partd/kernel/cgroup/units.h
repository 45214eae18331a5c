// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/systemd/systemd.h"

#include <string>

namespace partd::kernel {

// Control groups where systemd is the only one who may make them (https://systemd.io/CGROUP_DELEGATION):
// groups are slices, processes live in scopes below them. A group "partd.slice/partd-web.slice" is the unit
// "partd-web.slice".

// A unit for processes that systemd did not start itself.
struct Scope {
    std::string name = {};   // behind the slice's: "init" is partd-web-init.scope
    bool delegated = false;  // its processes may make groups below it
    bool hang_up = false;    // a shell ends by SIGHUP, not by SIGTERM
};

std::string unit_of(const std::string& group);
// "partd-web-init.scope".
std::string scope_of(const std::string& group, const std::string& name);

// Starts the slice; it stands without a mark yet.
Result<> start_slice(Systemd& systemd, const std::string& group, const std::string& owner);
// True if systemd's description says that partd made this slice: after `systemctl restart` the group is a new
// one, without the mark.
bool is_own_slice(Systemd& systemd, const std::string& group);
// Moves the calling process, and who is born of it, into a scope of its own below the group. A process that
// is below the group already stays where it is.
Result<> enter_scope(Systemd& systemd, const std::string& group, const Scope& scope);

}  // namespace partd::kernel
