// SPDX-License-Identifier: Apache-2.0
// Faults that a sanitizer has to report, made by a child whose exit status nobody looks at. They show that
// tests/sanitizers/watch finds the report.

#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>

namespace {

int* volatile memory = nullptr;
int shared = 0;

void leak() {
    memory = new int[1000];
    memory = nullptr;
}

void use_after_free() {
    memory = new int(1);
    delete memory;
    *memory = 2;
}

void overflow(int number) {
    volatile int most = INT_MAX;
    shared = most + number;
}

void race() {
    std::thread other([] { ++shared; });
    ++shared;
    other.join();
}

}  // namespace

int main(int count, char** arguments) {
    const std::string_view what = count == 2 ? arguments[1] : "";
    const pid_t child = fork();
    if (child == 0) {
        if (what == "leak") {
            leak();
        } else if (what == "use") {
            use_after_free();
        } else if (what == "overflow") {
            overflow(count);
        } else if (what == "race") {
            race();
        }
        std::exit(0);
    }
    waitpid(child, nullptr, 0);
    return 0;
}
