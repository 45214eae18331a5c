// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/namespace/pins.h"

#include <string>

namespace partd::kernel {

// Memory in files for those who share an IPC namespace ("web/ipc"), as its owner's /dev/shm: a tmpfs beside
// its pin, made for that user and group where it is not there. Returns a mount of it, not attached anywhere.
Result<Fd> shared_memory(PinDirectory& pins, const std::string& name, const std::string& uid,
                         const std::string& gid);
// Takes it from its place; it lives on while somebody has it mounted.
Result<> drop_shared_memory(const PinDirectory& pins, const std::string& name);

}  // namespace partd::kernel
