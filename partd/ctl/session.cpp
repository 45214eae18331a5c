#include "ctl/session.h"

#include "base/log.h"
#include "base/text.h"
#include "kernel/rights.h"
#include "reconcile/ledger_file.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

namespace partd::ctl {

void complain(std::string_view text) {
    log_error(text);
}

void complain(const std::vector<Problem>& problems) {
    for (const Problem& problem : problems) {
        const std::string place = problem.at ? printable(problem.at.text()) + ": " : "";
        fmt::print(stderr, "{}error: {}\n", place, printable(problem.message));
        if (problem.other) {
            fmt::print(stderr, "  {}: note: {}\n", printable(problem.other.text()), printable(problem.note));
        }
    }
}

void print_json(Value value) {
    Value all;
    all.set("schema", 1);
    for (Member& member : *value.get_if<Object>()) {
        all.set(member.key, std::move(member.value));
    }
    fmt::print("{}\n", to_json(all, 2));
}

std::optional<int> refuse_without_rights(std::string_view verb) {
    if (kernel::may_manage()) {
        return std::nullopt;
    }
    complain(fmt::format("{} needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN): run it with sudo", verb));
    return kNotPermitted;
}

std::expected<Session, int> open_session(const Options& options, std::string_view verb, bool tolerant) {
    if (const auto refused = refuse_without_rights(verb)) {
        return std::unexpected(*refused);
    }
    auto desired =
        load_desired(options.paths(), {.extra = options.extra, .keep_going = tolerant || options.keep_going});
    if (!desired) {
        complain(desired.error().message);
        return std::unexpected(kInvalid);
    }
    complain(desired->problems);
    for (const std::string& note : desired->notes) {
        complain(note);
    }
    if (!desired->good() && !tolerant && !options.keep_going) {
        return std::unexpected(kInvalid);
    }
    auto host = kernel::Host::open(options.paths());
    if (!host) {
        complain(host.error().message);
        return std::unexpected(kSomeFailed);
    }
    return Session{std::move(*desired), std::move(*host)};
}

bool knows_name(const Session& session, const std::string& name) {
    const Ledger ledger = read_ledger(session.host.paths().ledger());
    const auto declared = [&](const Resource& resource) { return resource.owner == name; };
    const auto made = [&](const auto& entry) { return entry.second.owner == name; };
    if (name.empty() || std::ranges::any_of(session.desired.compiled.desired.all(), declared) ||
        std::ranges::any_of(ledger.entries, made)) {
        return true;
    }
    complain(fmt::format("there is no partition or slice \"{}\"", printable(name)));
    return false;
}

}  // namespace partd::ctl
