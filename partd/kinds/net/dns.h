// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

namespace partd {

// [partition.NAME.dns]
struct Dns {
    std::vector<Ip> nameserver;
    std::vector<std::string> search;
    std::vector<std::string> options;
    std::map<std::string, std::vector<Ip>> hosts;
    static const Table table;
};

// A file below /etc/netns/NAME, which ip-netns(8) and `partctl exec` bind over the one in /etc.
struct DnsFile {
    std::string partition;
    std::string name;
    std::string content;
    bool operator==(const DnsFile&) const = default;
    static const Table table;
};

extern const LiveKind kDnsFile;

// The names of the files that it declares.
std::vector<std::string> dns_files(const Declared& declared, const std::string& partition);
Key dns_file_key(const std::string& partition, const std::string& name);

}  // namespace partd
