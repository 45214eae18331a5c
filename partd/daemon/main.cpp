// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "daemon/daemon.h"
#include "kernel/rights.h"
#include "kernel/session/enter.h"

#include <cstdio>
#include <exception>
#include <new>

#include <CLI/CLI.hpp>

namespace partd::daemon {

namespace {

int run(int count, char** arguments) {
    constexpr int kUsage = 2;
    constexpr int kNotPermitted = 5;
    constexpr int kFailed = 6;
    kernel::Paths paths;
    bool verbose = false;
    CLI::App app{"partd: keeps the host partitioned as /etc/partd declares", "partd"};
    app.add_option("--root", paths.root, "Work below this directory instead of / (for tests)")
        ->check(CLI::ExistingDirectory);
    app.add_flag("-v,--verbose", verbose, "Tell what is being done");
    app.set_version_flag("--version", PARTD_VERSION);
    try {
        app.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsage;
    }
    kernel::set_file_mode_mask(022);
    start_log("partd", verbose);
    if (!kernel::may_manage()) {
        log_error("partd needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN)");
        return kNotPermitted;
    }
    Loop::still_alive();
    auto daemon = Daemon::make(paths);
    const auto done = daemon ? (*daemon)->run() : std::unexpected(daemon.error());
    if (!done) {
        log_error(done.error().message);
        return kFailed;
    }
    return 0;
}

}  // namespace

}  // namespace partd::daemon

int main(int count, char** arguments) {
    try {
        return partd::daemon::run(count, arguments);
    } catch (const std::bad_alloc&) {
        std::fputs("partd: there is no memory left; what stands stays: free some and start it again\n",
                   stderr);
        return 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "partd: %s\n", error.what());
        return 1;
    }
}
