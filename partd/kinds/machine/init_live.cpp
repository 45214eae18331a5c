// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kernel/process/init_search.h"
#include "kernel/process/processes.h"
#include "kernel/session/boot.h"
#include "kinds/machine/init.h"
#include "kinds/machine/mounted.h"
#include "kinds/namespace/membership.h"
#include "kinds/namespace/namespace.h"

#include <cerrno>
#include <memory>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Namespace;

std::string pid_pin(const std::string& partition) {
    return pin_name(partition, NamespaceKind::Pid);
}
std::string mnt_pin(const std::string& partition) {
    return pin_name(partition, NamespaceKind::Mnt);
}

Result<> unpin(kernel::Host& host, const std::string& partition, bool mnt) {
    if (mnt) {
        PARTD_TRY(host.pins().unpin(mnt_pin(partition)));
    }
    return host.pins().unpin(pid_pin(partition));
}

Result<> pin(kernel::Host& host, const Init& wanted, const kernel::Booted& booted) {
    auto& pins = host.pins();
    PARTD_TRY(set_note(host, wanted.partition, kRootNote, wanted.root));
    PARTD_TRY(set_note(host, wanted.partition, kInitNote, wanted.command));
    if (booted.mnt) {
        PARTD_TRY(pins.pin(mnt_pin(wanted.partition), booted.mnt->fd(), true));
    }
    return pins.pin(pid_pin(wanted.partition), booted.pid.fd());
}

// All that its making takes, open.
struct Preparation {
    std::vector<Namespace> joined = {};
    std::optional<Namespace> user = {};
    OpenedRoot root = {};
    kernel::BootPlan plan = {};
};

Result<std::unique_ptr<Preparation>> prepare(Stage& stage, const Init& wanted) {
    auto ready = std::make_unique<Preparation>();
    for (const NamespaceKind type : wanted.joined) {
        auto opened = stage.open(wanted.partition, type);
        PARTD_TRY(opened);
        ready->joined.push_back(std::move(*opened));
    }
    auto user = stage.open_user(wanted.partition, wanted.in_user);
    PARTD_TRY(user);
    ready->user = std::move(*user);
    auto& plan = ready->plan;
    plan = {.group = stage.host.group_of(wanted.partition),
            .user = ready->user ? &*ready->user : nullptr,
            .etc = stage.host.paths().etc_netns() + "/" + wanted.partition,
            .command = wanted.started.command,
            .environment = wanted.started.environment,
            .working_directory = wanted.started.working_directory.value_or(AbsolutePath()),
            .privileges = privileges_of(wanted),
            .file_mode_mask = file_mode_mask_of(wanted.started),
            .command_at = wanted.command_at.at,
            .directory_at = wanted.directory_at.at};
    for (const Namespace& each : ready->joined) {
        if (each.type() == NamespaceKind::Mnt) {
            plan.mnt = &each;
        } else {
            plan.namespaces.push_back(&each);
        }
    }
    if (!wanted.root.empty()) {
        auto root = prepare_root(stage, wanted.partition, wanted.wanted_root, wanted.shown);
        PARTD_TRY(root);
        ready->root = std::move(*root);
        plan.root = ready->root.plan;
        plan.view = ready->root.view();
        plan.view.pid = true;
    }
    return ready;
}

// A command that cannot work ends within this time: an apply that starts one waits as long, once for all.
constexpr std::chrono::milliseconds kTrialPeriod{200};

// The end of a command that ended at once. It writes to /dev/null: one that failed is heard when it runs once
// more, as it would in the next attempt. One that succeeded does not do its work a second time.
Error describe_end(kernel::Host& host, const Init& wanted, const kernel::BootPlan& plan, Error how) {
    if (how.code == ECANCELED) {
        const std::string said = printable(trim(kernel::hear(host.cgroups(), plan, kTrialPeriod)));
        how.message += said.empty() ? ", without a word" : ", and said: " + said;
    }
    return std::move(how)
        .wrap(wanted.started.command.front() + " ended as soon as it was started")
        .placed(wanted.command_at.at);
}

Result<> create(ApplyContext& context, const Init& wanted, std::size_t number) {
    auto& host = context.host;
    Stage stage{host};
    auto ready = prepare(stage, wanted);
    PARTD_TRY(ready);
    auto booted = kernel::boot(host.cgroups(), (*ready)->plan,
                               [&](const kernel::Booted& made) { return pin(host, wanted, made); });
    const bool own_root = !wanted.root.empty();
    if (!booted) {
        (void)unpin(host, wanted.partition, own_root);
        return std::unexpected(std::move(booted).error());
    }
    if (*booted) {
        const std::shared_ptr<Preparation> made = std::move(*ready);
        context.batch.watch(std::move(**booted), kTrialPeriod, number, [&host, wanted, made](Error how) {
            (void)unpin(host, wanted.partition, !wanted.root.empty());
            return describe_end(host, wanted, made->plan, std::move(how));
        });
    }
    return {};
}

// The last process of the namespace that is still there tells where its names have to lead.
Result<> pin_again(ApplyContext& context, const Change& change) {
    const Init& wanted = change.wanted.as<Init>();
    auto& host = context.host;
    const auto pid = find_lost(host, wanted.partition, NamespaceKind::Pid, change.identity);
    PARTD_TRY(pid);
    const auto found = *pid ? kernel::find_init(likely_processes(host, wanted.partition), **pid)
                            : Result<std::optional<pid_t>>();
    PARTD_TRY(found);
    const auto& process = *found;
    if (!process) {
        return fail("its PID 1 has ended meanwhile");
    }
    auto its = Namespace::of_process(*process, NamespaceKind::Pid);
    PARTD_TRY(its);
    kernel::Booted booted{.pid = std::move(*its), .mnt = {}};
    if (!wanted.root.empty()) {
        auto mnt = Namespace::of_process(*process, NamespaceKind::Mnt);
        PARTD_TRY(mnt);
        booted.mnt = std::move(*mnt);
    }
    PARTD_TRY(unpin(host, wanted.partition, !wanted.root.empty()));
    return pin(host, wanted, booted);
}

Result<> remove(ApplyContext& context, const Init& found) {
    if (const auto pid = open_namespace(context.host, found.partition, NamespaceKind::Pid)) {
        PARTD_TRY(end_residents(context, found.partition, NamespaceKind::Pid));
        // One that somebody moved to another group takes the rest of its namespace along.
        const auto process = kernel::find_init({}, *pid);
        PARTD_TRY(process);
        if (*process) {
            const std::array endings = {
                kernel::Termination{{**process},
                                    kernel::inhabitants(NamespaceKind::Pid, pid->inode()),
                                    std::chrono::milliseconds(0)}};
            if (!kernel::end_processes(endings).front().empty()) {
                return fail(fmt::format("its PID 1, process {}, does not end", **process));
            }
        }
    }
    PARTD_TRY(unpin(context.host, found.partition, true));
    (void)set_note(context.host, found.partition, kInitNote, "");  // the group may be gone already
    context.batch.at_end([&host = context.host] { host.pins().retire(); });
    return {};
}

}  // namespace

Result<> apply_init(ApplyContext& context, const Change& change, std::size_t number) {
    context.batch.count_write();
    switch (change.action) {
        case Action::Create:
            return create(context, change.wanted.as<Init>(), number);
        case Action::Update:
            return pin_again(context, change);
        case Action::Remove:
            return remove(context, change.found.as<Init>());
    }
    return {};
}

Result<> rehearse_init(Stage& stage, const Change& creation) {
    const Init& wanted = creation.wanted.as<Init>();
    auto ready = prepare(stage, wanted);
    PARTD_TRY(ready);
    auto done = kernel::rehearse_boot(stage.host.cgroups(), (*ready)->plan);
    (*ready)->root.clean_up(stage.host.paths());
    return done;
}

}  // namespace partd
