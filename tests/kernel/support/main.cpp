// SPDX-License-Identifier: Apache-2.0
// The runner, and the programs that tests start inside a partition to use up what is limited.

#define CATCH_CONFIG_RUNNER
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <catch2/catch.hpp>

namespace {

constexpr std::size_t kMaxEaten = 200UL << 20;
constexpr int kMaxForks = 40;

/// Touches that many bytes page by page.
int eat_memory(std::size_t bytes) {
    bytes = std::min(bytes, kMaxEaten);
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return 2;
    }
    for (std::size_t at = 0; at < bytes; at += 4096) {
        static_cast<volatile char*>(memory)[at] = 1;
    }
    std::puts("all of it");
    return 0;
}

/// Prints how many children could be made.
int fork_children(int wanted) {
    int made = 0;
    const pid_t parent = ::getpid();
    for (int i = 0; i < std::min(wanted, kMaxForks); ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::alarm(20);
            while (::getppid() == parent) {
                ::pause();
            }
            ::_exit(0);
        }
        made += child > 0 ? 1 : 0;
    }
    std::printf("%d\n", made);
    return 0;
}

/// Keeps a processor busy.
int burn(int milliseconds) {
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(std::min(milliseconds, 3000));
    while (std::chrono::steady_clock::now() < end) {
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc == 3 ? argv[1] : "";
    if (what == "--eat-memory") {
        return eat_memory(std::strtoul(argv[2], nullptr, 10));
    }
    if (what == "--fork") {
        return fork_children(std::atoi(argv[2]));
    }
    if (what == "--burn") {
        return burn(std::atoi(argv[2]));
    }
    return Catch::Session().run(argc, argv);
}
