// SPDX-License-Identifier: Apache-2.0
#include "kinds/marks.h"

#include "base/names.h"

#include <fmt/format.h>

namespace partd {

namespace {
constexpr std::string_view kPrefix = "partd:";
constexpr std::string_view kPeer = ":peer";
}  // namespace

std::string protocol_text(std::uint8_t protocol) {
    return protocol == kProtocolMark ? std::string(kMarked) : fmt::format("protocol {}", protocol);
}

std::string mark_of(std::string_view partition) {
    return std::string(kPrefix) + std::string(partition);
}

std::string LinkMark::text() const {
    return mark_of(partition) + "/" + link + (peer ? std::string(kPeer) : "");
}

std::optional<LinkMark> parse_link_mark(std::string_view alias) {
    alias = alias.substr(0, alias.find(' '));
    const std::size_t slash = alias.find('/');
    if (!alias.starts_with(kPrefix) || slash == std::string_view::npos) {
        return std::nullopt;
    }
    LinkMark mark{std::string(alias.substr(kPrefix.size(), slash - kPrefix.size())),
                  std::string(alias.substr(slash + 1)), false};
    if (mark.link.ends_with(kPeer)) {
        mark.link.resize(mark.link.size() - kPeer.size());
        mark.peer = true;
    }
    return valid_name(mark.partition) && valid_if_name(mark.link) ? std::optional(mark) : std::nullopt;
}

std::string_view alias_behind_mark(std::string_view alias) {
    const std::size_t blank = alias.find(' ');
    return blank == std::string_view::npos ? std::string_view() : alias.substr(blank + 1);
}

}  // namespace partd
