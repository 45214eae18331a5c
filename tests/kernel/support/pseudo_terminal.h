// SPDX-License-Identifier: Apache-2.0
#pragma once
// A terminal of the test's own, and a program in it as a user at the keyboard has it.

#include "process.h"

#include <termios.h>

#include <string>
#include <string_view>

namespace partd::test {

class Pty {
public:
    /// Starts the program as the leader of a session whose terminal this is.
    explicit Pty(const Arguments& arguments, unsigned short rows = 24, unsigned short columns = 80);
    Pty(const Pty&) = delete;
    Pty& operator=(const Pty&) = delete;
    ~Pty();

    /// Reads meanwhile what is shown.
    void type(std::string_view text);
    /// Reads until the text has appeared after what was awaited before; false when it did not in time.
    bool await(const std::string& text, Milliseconds within = 5s);
    /// Everything shown so far.
    [[nodiscard]] const std::string& shown() const { return shown_; }
    void resize(unsigned short rows, unsigned short columns) const;
    [[nodiscard]] termios settings() const;
    [[nodiscard]] pid_t pid() const { return pid_; }
    void signal(int number) const;
    /// Exit code (128 + signal) after all output was read, or -1 if it still runs after the time.
    int wait(Milliseconds within = 10s);
    /// Closes the terminal, as when a window is closed.
    void hang_up();

private:
    bool read_some(Milliseconds within);

    int master_ = -1;
    int slave_ = -1;  ///< open here as well, so that its settings can be read when nobody else has it
    pid_t pid_ = -1;
    int exit_code_ = -1;
    std::string shown_;
    std::size_t awaited_ = 0;
};

}  // namespace partd::test
