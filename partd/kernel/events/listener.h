// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <sys/types.h>

#include <string>

namespace partd::kernel {

// A stream socket that listens at a path (unix(7)), readable and writable for root and that group alone.
// A stale socket of the same name gives way. ENOTSOCK when something else has the name.
Result<Fd> listen_at(const std::string& path, const std::string& group);
// The socket that the service manager handed over (sd_listen_fds(3)), if it did.
Fd inherited_listener();
// The next connection that waits, non-blocking and now the caller's to close; EAGAIN when none does.
Result<int> accept_connection(int listener);
// Kept for the moment when there are no others left: with it connections can at least be turned away.
Fd spare_descriptor();
// Takes the next connection and closes it, in the place of the spare one. False when none waits.
bool turn_away(int listener, Fd& spare);
// The user id of the peer (SO_PEERCRED); the highest value, which nobody has, if it cannot be read.
uid_t peer_of(int connection);

// Holds the lock until the descriptor is closed; EWOULDBLOCK when another process has it.
Result<Fd> try_lock(const std::string& path);

}  // namespace partd::kernel
