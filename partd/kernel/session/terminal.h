// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <termios.h>

#include <cstddef>
#include <optional>

namespace partd::kernel {

// A pseudoterminal (pty(7)).
struct Terminal {
    Fd master;
    Fd slave;
};

// One of the devpts that this process sees at /dev/pts.
Result<Terminal> open_terminal();
// Checks a descriptor that a less trusted process opened: an error if it is not the master of a
// pseudoterminal.
Result<> check_master(int fd);
// Makes it this process' controlling terminal, and its standard input, output and error where those are
// terminals.
Result<> use_terminal(const Fd& slave);

bool is_terminal(int fd);
// Its lines; 24 where nobody knows.
std::size_t lines_of_terminal(int fd);
// True if this process is in the foreground of that terminal, or has no shell that could put it elsewhere.
bool in_foreground(int fd);

// The caller's terminal without echo, line editing and signals, as long as this lives.
class RawMode {
public:
    RawMode();
    RawMode(const RawMode&) = delete;
    RawMode& operator=(const RawMode&) = delete;
    ~RawMode();
    // It stays as it is now.
    void forget() { saved_.reset(); }

private:
    std::optional<termios> saved_;
};

// Gives the master the window size of the caller's terminal.
void copy_window_size(int master);

}  // namespace partd::kernel
