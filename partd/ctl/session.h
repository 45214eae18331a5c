#pragma once

#include "ctl/options.h"
#include "reconcile/desired.h"
#include "reconcile/reconciler.h"

#include <optional>
#include <string_view>

namespace partd::ctl {

// What most verbs begin with: rights, files, host. An exit code when there is no going on; what is wrong was
// told.
struct Session {
    Desired desired;
    kernel::Host host;
};
// `tolerant`: files that are wrong are told, but do not end it.
std::expected<Session, int> open_session(const Options& options, std::string_view verb, bool tolerant);

// The exit code for what the caller may not do, after saying so; nullopt when it may.
std::optional<int> refuse_without_rights(std::string_view verb);

// "partctl: TEXT" on stderr.
void complain(std::string_view text);
// FILE:LINE:COLUMN: error: TEXT, with its note, for each.
void complain(const std::vector<Problem>& problems);
// Prints JSON with the schema's version in front.
void print_json(Value value);

// Whether a file declares that partition or slice, or partd made it; complains when not. Everybody knows "".
bool knows_name(const Session& session, const std::string& name);

}  // namespace partd::ctl
