// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/systemd/systemd.h"
#include "kinds/service/file.h"
#include "kinds/service/live.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Systemd;

// Once for all changes of a wave: the first one finds that its unit needs it.
Result<> reload_if_needed(kernel::Host& host, Systemd& systemd, const Service& service) {
    const auto unit = systemd.look(service.unit);
    PARTD_TRY(unit);
    const std::string path = service_path(host, service);
    const bool known = service.joins ? is_read(*unit, path) && is_read(*unit, hold_path(host, service))
                                     : kernel::exists(path) == (unit->load_state == "loaded");
    return unit->needs_reload || !known ? systemd.reload() : Result<>();
}

Result<> settled(const Result<Systemd::Job>& job) {
    PARTD_TRY(job);
    return {};  // one that is still running is the next look's to see
}

// Starts what partd has stopped, or what could not start. Once systemd has taken the job, a unit that does
// not run was stopped by others, or has failed by itself.
Result<> start_again(kernel::Host& host, Systemd& systemd, const std::string& unit) {
    PARTD_TRY(systemd.reset_failed(unit));
    const auto job = systemd.restart_service(unit);
    if (job || job.error().code == ECANCELED) {
        PARTD_TRY(kernel::remove_file(stopped_path(host, unit)));
    }
    return settled(job);
}

// The files stand: systemd reads them, and the unit runs by them. `as_before`: for what runs nothing differs,
// or for a joined one nothing but what systemd had read.
Result<> put_in_place(kernel::Host& host, Systemd& systemd, const Service& wanted, bool as_before) {
    PARTD_TRY(reload_if_needed(host, systemd, wanted));
    const auto unit = systemd.look(wanted.unit);
    PARTD_TRY(unit);
    const bool waits = unit->held_back || kernel::exists(stopped_path(host, wanted.unit));
    if (as_before && !waits && (!wanted.joins || state_of(host, systemd, wanted, *unit) == kInPlace)) {
        return {};
    }
    if (!wanted.joins || waits) {
        return start_again(host, systemd, wanted.unit);
    }
    return settled(systemd.try_restart_service(wanted.unit));
}

Result<> check_others(const kernel::Host& host, const Service& wanted, const Systemd::Unit& unit) {
    for (const std::string& path : unit.drop_ins) {
        const std::string of = service_of(kernel::read_file(path).value_or("")).value_or("");
        if (!of.empty() && !of.starts_with(wanted.partition + "/") && path != service_path(host, wanted)) {
            return fail(fmt::format("{} has joined partition {} already ({}): a unit can be in one alone",
                                    wanted.unit, of.substr(0, of.find('/')), path));
        }
    }
    return {};
}

// Why the unit cannot be joined.
Result<> check_unit(const kernel::Host& host, Systemd& systemd, const Service& wanted) {
    const auto unit = systemd.look(wanted.unit);
    PARTD_TRY(unit);
    if (!wanted.joins) {
        return {};
    }
    if (unit->load_state == "not-found" || unit->load_state == "masked") {
        return fail(fmt::format("systemd has no unit {} ({}): install or unmask it, or correct `unit`",
                                wanted.unit, unit->load_state));
    }
    PARTD_TRY(check_others(host, wanted, *unit));
    if (const auto listeners = systemd.listeners_of(wanted.unit); !listeners.empty()) {
        const std::string socket = listeners.front().substr(0, listeners.front().find(' '));
        return fail(
            fmt::format("{} listens for {}, and would go on doing so on the host: let the service listen "
                        "itself, and systemctl disable --now {}",
                        listeners.front(), wanted.unit, socket));
    }
    if (!kernel::exists(hold_path(host, wanted)) && systemd.is_ordered_before(wanted.unit, "partd.service")) {
        return fail(
            fmt::format("{} is started before partd.service, and cannot wait for its partition: "
                        "systemctl list-dependencies --after partd.service shows by which order",
                        wanted.unit));
    }
    return {};
}

// Written only where it differs: systemd would have to read it again.
Result<> write_if_other(const std::string& path, const std::string& text, bool lasting) {
    if (kernel::read_file(path).value_or("") == text) {
        return {};
    }
    PARTD_TRY(kernel::make_directories(path.substr(0, path.rfind('/'))));
    return lasting ? kernel::write_durably(path, text) : kernel::write_atomically(path, text);
}

Result<> put_environment(const kernel::Host& host, const Service& wanted) {
    const std::string path = environment_path(host, wanted);
    if (wanted.environment.empty()) {
        return kernel::remove_file(path);
    }
    PARTD_TRY(kernel::make_directories(path.substr(0, path.rfind('/')), 0700));
    return kernel::write_atomically(path, wanted.environment, 0600);
}

// Where /etc cannot be written, the image's own file does as well.
Result<> write_hold(const kernel::Host& host, const Service& wanted) {
    const std::string path = hold_path(host, wanted);
    auto written = write_if_other(path, wanted.hold, true);
    return written || kernel::exists(path) || hold_of_image(host, wanted) != wanted.hold ? std::move(written)
                                                                                         : Result<>();
}

Result<> put_hold(const kernel::Host& host, const Service& wanted) {
    auto held = wanted.joins ? write_hold(host, wanted) : Result<>();
    return held ? std::move(held)
                : std::unexpected(std::move(held).error().wrap(fmt::format(
                      "{} is in the partition, but at the next boot it starts on the host (the same "
                      "text as /usr/lib/systemd/system/{} would prevent that)",
                      wanted.unit, hold_name(wanted.unit, wanted.partition))));
}

Result<> put(ApplyContext& context, const Change& change, std::size_t number) {
    const Service& wanted = change.wanted.as<Service>();
    auto* systemd = context.host.cgroups().systemd();
    if (systemd == nullptr) {
        return fail(
            "systemd does not run here as PID 1 with cgroup2 alone, and a service is its unit: leave the "
            "table "
            "out, or start the program by partctl exec");
    }
    if (context.host.cgroups().frozen(wanted.group)) {
        return fail("its partition is frozen, and so would be what starts in it: partctl thaw it first");
    }
    PARTD_TRY(check_unit(context.host, *systemd, wanted));
    PARTD_TRY(put_environment(context.host, wanted));
    PARTD_TRY(write_if_other(service_path(context.host, wanted), wanted.content, false));
    const bool as_before = change.action == Action::Update && (wanted.joins || !change.changes("state")) &&
                           !change.changes("environment") &&
                           below_mark(change.found.as<Service>().content) == below_mark(wanted.content);
    auto held = change.action == Action::Create || change.changes("held") ? put_hold(context.host, wanted)
                                                                          : Result<>();
    context.batch.after_nftables(number, [&host = context.host, systemd, wanted, as_before] {
        return put_in_place(host, *systemd, wanted, as_before);
    });
    return held;
}

Result<> remove_files(const kernel::Host& host, const Service& found) {
    std::vector paths = {service_path(host, found)};
    paths.push_back(found.joins ? hold_path(host, found) : environment_path(host, found));
    for (const std::string& path : paths) {
        PARTD_TRY(kernel::remove_file(path));
        if (found.joins) {
            kernel::remove_empty_directory(path.substr(0, path.rfind('/')));
        }
    }
    return {};
}

// Stops a joined unit and notes that it has to be started again, while its partition is replaced or until it
// joins another: it never runs on the host in between. The creation of the successor starts it.
Result<> set_aside(ApplyContext& context, Systemd& systemd, const Service& found, const Service& next) {
    const auto unit = systemd.look(found.unit);
    PARTD_TRY(unit);
    if (is_active(*unit)) {
        const std::string stopped = stopped_path(context.host, found.unit);
        PARTD_TRY(kernel::make_directories(stopped.substr(0, stopped.rfind('/'))));
        PARTD_TRY(kernel::write_atomically(stopped, ""));
        PARTD_TRY(settled(systemd.stop_service(found.unit)));
    }
    if (next.partition == found.partition) {
        return {};
    }
    // It is held at each moment, and the next one's file is found when that is not declared any more.
    PARTD_TRY(write_hold(context.host, next));
    return remove_files(context.host, found);
}

// The unit as it was without partd.
Result<> take_back(ApplyContext& context, const Change& change, std::size_t number) {
    const Service& found = change.found.as<Service>();
    auto* systemd = context.host.cgroups().systemd();
    if (systemd != nullptr && found.joins && change.successor) {
        const Service& next = change.successor.as<Service>();
        if (next.joins && next.unit == found.unit) {
            return set_aside(context, *systemd, found, next);
        }
    }
    if (systemd != nullptr && !found.joins) {
        PARTD_TRY(settled(systemd->stop_service(found.unit)));
    }
    bool held_back = false;
    if (systemd != nullptr && found.joins) {
        const auto unit = systemd->look(found.unit);
        PARTD_TRY(unit);
        held_back = unit->held_back;
    }
    PARTD_TRY(remove_files(context.host, found));
    if (systemd == nullptr) {
        return {};
    }
    context.batch.after_nftables(number, [&host = context.host, systemd, found, held_back]() -> Result<> {
        if (!found.joins) {
            PARTD_TRY(systemd->reset_failed(found.unit));
        }
        PARTD_TRY(reload_if_needed(host, *systemd, found));
        // It was to start in a partition that then was not made.
        if (held_back || kernel::exists(stopped_path(host, found.unit))) {
            return start_again(host, *systemd, found.unit);
        }
        return found.joins ? settled(systemd->try_restart_service(found.unit)) : Result<>();
    });
    return {};
}

}  // namespace

Result<> apply_service(ApplyContext& context, const Change& change, std::size_t number) {
    context.batch.count_write();
    return change.action == Action::Remove ? take_back(context, change, number)
                                           : put(context, change, number);
}

}  // namespace partd
