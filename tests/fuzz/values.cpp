// SPDX-License-Identifier: Apache-2.0
// Names and values, as people write them. A value that was read is shown as text that reads as an equal
// value.

#include "base/values.h"

#include "base/ip.h"
#include "base/names.h"
#include "base/text.h"
#include "fuzz.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/link/wireguard/tunnel_file.h"
#include "kinds/machine/rootfs.h"
#include "kinds/marks.h"
#include "kinds/net/route.h"
#include "kinds/partition.h"
#include "kinds/service/service.h"
#include "kinds/sysctl/text.h"
#include "model/codec.h"

#include <algorithm>

using namespace partd;

namespace {

template <typename T>
void read(std::string_view text) {
    if (const auto value = T::parse(text)) {
        const std::string shown = value->text();
        const auto again = T::parse(shown);
        fuzz::require(again && again->text() == shown, "a value reads as it is shown");
    }
}

void read_words(std::string_view text) {
    (void)parse_size(text);
    (void)parse_number(text);
    (void)parse_number(text, 16);
    if (const auto duration = parse_duration(text)) {
        fuzz::require(parse_duration(duration_text(*duration)) == duration,
                      "a duration reads as it is shown");
    }
    if (const auto list = canonical_cpu_list(text)) {
        fuzz::require(canonical_cpu_list(*list) == list, "a list of processors reads as it is shown");
    }
    if (const auto mark = parse_link_mark(text)) {
        const auto again = parse_link_mark(mark->text());
        fuzz::require(again && again->text() == mark->text(), "a mark reads as it is written");
    }
    if (valid_if_name(text)) {
        fuzz::require(text.size() <= kMaxIfName && text.find('/') == std::string_view::npos && text != "..",
                      "an interface's name is safe in a path");
    }
    if (valid_name(text)) {
        fuzz::require(unit_escape(text).find('/') == std::string::npos, "a name is safe in a path");
    }
}

void read_parameters(std::string_view text) {
    fuzz::require(same_sysctl(text, text), "a text means what it means");
    (void)is_comparable(text, text);
    (void)InterfaceSysctl::parse(text);
    const SysctlRecord record{std::string(text), std::string(text), std::string(text), true};
    const auto again = SysctlRecord::parse(record.text());
    fuzz::require(again && again->before == text && again->wanted == text && again->made == text,
                  "a record reads as it is written");
    (void)SysctlRecord::parse(text);
}

void read_tunnel_file(std::string_view text) {
    Diagnostics problems;
    const auto file = link::parse_tunnel_file(text, "vpn.conf", problems);
    fuzz::require(file.has_value() == problems.empty(), "a file of wg-quick is read, or it is told why not");
    fuzz::require(!file || link::private_key_in(text), "one that is read has a key");
    (void)link::preshared_key_in(text, {});
}

void show(std::string_view text) {
    const std::string shown = printable(text);
    const auto control = [](char each) { return static_cast<unsigned char>(each) < 0x20 || each == 0x7f; };
    fuzz::require(std::ranges::none_of(shown, control), "what is shown has no control character");
    fuzz::require(printable(shown) == shown, "what is printable stays as it is");
    fuzz::require(valid_utf8(text).find('\0') == std::string::npos, "a D-Bus string has no NUL");
    for (const std::size_t most : {15U, 120U}) {
        fuzz::require(shortened(text, most).size() <= std::max(most, std::size_t{0}),
                      "what is shortened is short");
    }
    (void)split(text, ',');
    (void)words(text);
    (void)trim(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::as_text({data, size});
    read<Ip>(text);
    read<Prefix>(text);
    read<Address>(text);
    read<Mac>(text);
    read<PortRange>(text);
    read<Endpoint>(text);
    read<PeerEndpoint>(text);
    read<PublicKey>(text);
    read_tunnel_file(text);
    read<Destination>(text);
    read<CpuMax>(text);
    read<CpuList>(text);
    read<AbsolutePath>(text);
    read<HostName>(text);
    read<ServiceName>(text);
    read<IfName>(text);
    read<Name>(text);
    read_words(text);
    read_parameters(text);
    show(text);
    return 0;
}
