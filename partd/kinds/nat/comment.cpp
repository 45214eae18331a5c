// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kinds/firewall/gate.h"
#include "kinds/nat/entry.h"
#include "kinds/nat/forward.h"
#include "kinds/nat/sources.h"
#include "kinds/policy/reach.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd::nat {

namespace {

// A forward's name is "web tcp/8080", its comment "nat web: forward tcp/8080"; a masquerade's "web", and
// "nat web: masquerade"; that of one who reaches "web → outside", and "reach web: to outside".
constexpr std::string_view kNatPrefix = "nat ";

struct Direction {
    const LiveKind* kind;
    std::string_view in_name;
    std::string_view in_comment;
};
constexpr std::array kDirections = {Direction{&kReaches, " → ", ": to "},
                                    Direction{&kAdmits, " ← ", ": from "}};

// The words around the name of the other side; nullptr for other kinds.
const Direction* direction_of(const Kind& kind) {
    const auto found =
        std::ranges::find(kDirections, &kind, [](const Direction& each) { return &each.kind->kind; });
    return found == kDirections.end() ? nullptr : &*found;
}

// One of these in place of the first of the other; nullopt without it.
std::optional<std::string> exchanged(std::string_view text, std::string_view from, std::string_view to) {
    const std::size_t at = text.find(from);
    return at == std::string_view::npos
               ? std::nullopt
               : std::optional(fmt::format("{}{}{}", text.substr(0, at), to, text.substr(at + from.size())));
}

std::string comment_in(const Key& key) {
    if (key.kind == &kForward.kind) {
        const std::size_t blank = key.name.find(' ');
        return fmt::format("{}{}: forward{}", kNatPrefix, key.name.substr(0, blank), key.name.substr(blank));
    }
    if (const Direction* direction = direction_of(*key.kind)) {
        return fmt::format("{} {}", key.kind->name,
                           exchanged(key.name, direction->in_name, direction->in_comment).value_or(key.name));
    }
    return key.kind == &kMasquerade.kind || key.kind == &kSnat.kind
               ? fmt::format("{}{}: {}", kNatPrefix, key.name, key.kind->name)
               : fmt::format("{} {}", key.kind->name, key.name);
}

}  // namespace

std::string comment_of(const Key& key) {
    return shortened(std::string(kCommentBegin) + comment_in(key), kMostComment);
}

std::optional<std::string> name_in_comment(const LiveKind& kind, std::string_view comment) {
    const Direction* direction = direction_of(kind.kind);
    if (&kind == &kGate || direction != nullptr) {
        const std::string prefix = fmt::format("{} ", kind.kind.name);
        if (!comment.starts_with(prefix)) {
            return std::nullopt;
        }
        comment.remove_prefix(prefix.size());
        return direction == nullptr ? std::optional<std::string>(comment)
                                    : exchanged(comment, direction->in_comment, direction->in_name);
    }
    const std::size_t colon = comment.find(": ");
    if (!comment.starts_with(kNatPrefix) || colon == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string owner(comment.substr(kNatPrefix.size(), colon - kNatPrefix.size()));
    const std::string_view what = comment.substr(colon + 2);
    if (&kind == &kForward) {
        constexpr std::string_view kWord = "forward ";
        return what.starts_with(kWord) ? std::optional(owner + " " + std::string(what.substr(kWord.size())))
                                       : std::nullopt;
    }
    return what == kind.kind.name ? std::optional(owner) : std::nullopt;
}

}  // namespace partd::nat
