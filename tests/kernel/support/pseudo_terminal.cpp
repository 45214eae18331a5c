// SPDX-License-Identifier: Apache-2.0
#include "pseudo_terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace partd::test {
namespace {

[[noreturn]] void be_program(const Arguments& arguments, int slave, pid_t parent) {
    sigset_t none;
    ::sigemptyset(&none);
    for (int number = 1; number < NSIG; ++number) {
        ::signal(number, SIG_DFL);
    }
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent || ::login_tty(slave) != 0) {
        ::_exit(127);
    }
    std::vector<char*> words;
    for (const auto& word : arguments) {
        words.push_back(const_cast<char*>(word.c_str()));
    }
    words.push_back(nullptr);
    ::setenv("TERM", "dumb", 1);
    ::execvp(words[0], words.data());
    ::_exit(127);
}

}  // namespace

Pty::Pty(const Arguments& arguments, unsigned short rows, unsigned short columns) {
    const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    search_no_leaks();
    require_call(::openpty(&master_, &slave_, nullptr, nullptr, &size) == 0, "openpty");
    ::fcntl(master_, F_SETFD, FD_CLOEXEC);
    ::fcntl(slave_, F_SETFD, FD_CLOEXEC);
    ::fcntl(master_, F_SETFL, O_RDWR | O_NONBLOCK);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    require_call(pid_ >= 0, "fork");
    if (pid_ == 0) {
        be_program(arguments, slave_, parent);
    }
}

Pty::~Pty() {
    if (pid_ > 0) {
        signal(SIGTERM);
        if (wait(2s) == -1) {
            signal(SIGKILL);
            wait(5s);
        }
    }
    hang_up();
}

void Pty::hang_up() {
    for (int* fd : {&slave_, &master_}) {
        if (*fd >= 0) {
            ::close(*fd);
        }
        *fd = -1;
    }
}

bool Pty::read_some(Milliseconds within) {
    pollfd polled{master_, POLLIN, 0};
    if (master_ < 0 || ::poll(&polled, 1, static_cast<int>(within.count())) <= 0) {
        return false;
    }
    std::array<char, 65536> buffer{};
    const auto count = ::read(master_, buffer.data(), buffer.size());
    if (count <= 0) {
        return false;
    }
    shown_.append(buffer.data(), static_cast<std::size_t>(count));
    return true;
}

void Pty::type(std::string_view text) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!text.empty() && std::chrono::steady_clock::now() < end) {
        // a terminal that nobody reads takes no input either
        pollfd polled{master_, POLLIN | POLLOUT, 0};
        ::poll(&polled, 1, 100);
        if ((polled.revents & POLLIN) != 0) {
            read_some(0ms);
        }
        const auto count = ::write(master_, text.data(), text.size());
        require_call(count > 0 || errno == EAGAIN, "type");
        text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
    if (!text.empty()) {
        throw std::runtime_error("the terminal takes no more input");
    }
}

bool Pty::await(const std::string& text, Milliseconds within) {
    const auto end = std::chrono::steady_clock::now() + patient(within);
    while (true) {
        if (const auto found = shown_.find(text, awaited_); found != std::string::npos) {
            awaited_ = found + text.size();
            return true;
        }
        const auto left = std::chrono::duration_cast<Milliseconds>(end - std::chrono::steady_clock::now());
        if (left.count() <= 0 || !read_some(left)) {
            return false;
        }
    }
}

void Pty::resize(unsigned short rows, unsigned short columns) const {
    const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    require_call(::ioctl(master_, TIOCSWINSZ, &size) == 0, "TIOCSWINSZ");
}

termios Pty::settings() const {
    termios settings{};
    require_call(::tcgetattr(slave_, &settings) == 0, "tcgetattr");
    return settings;
}

void Pty::signal(int number) const {
    if (pid_ > 0) {
        ::kill(pid_, number);
    }
}

int Pty::wait(Milliseconds within) {
    const auto ended = [&] {
        while (read_some(0ms)) {
        }
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) != pid_) {
            return false;
        }
        exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return true;
    };
    if (pid_ > 0 && eventually(ended, within)) {
        pid_ = -1;
        while (read_some(0ms)) {
        }
    }
    return pid_ > 0 ? -1 : exit_code_;
}

}  // namespace partd::test
