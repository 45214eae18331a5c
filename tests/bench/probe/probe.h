// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace bench {

// CLOCK_MONOTONIC in ns, the clock of Python's time.monotonic_ns().
std::int64_t now();

// A socket that hears links, addresses and routes of this network namespace, or with `everywhere` of all
// namespaces that have a number in it (NETLINK_LISTEN_ALL_NSID). Its buffer holds the events of thousands.
int listen_to_links(bool everywhere);

// When so many links had left the namespace of the socket; -1 when they had not within two minutes.
std::int64_t wait_gone(int links, int wanted);

// run REPORT GONE COMMAND…: runs the command with its output thrown away, and writes to the file descriptor
// REPORT what it took, as JSON: wall, user, system in seconds, rss in KiB, code; with GONE over 0 also gone,
// the time until that many links have left this namespace, from the start, or null when they did not within
// two minutes.
int run(int argc, char** argv);

// rest: waits until the kernel has taken apart what was removed before. It does so with one lot of namespaces
// after the other, and ours is the last.
int rest();

// drift PAUSE NAME…: sets eth0 of one namespace after the other down, with a pause in ms between, and waits
// until it is up again with its IPv6 address and default routes. A line of JSON for each, in seconds: how
// long setting it down took, and from then until it was up, and until all was there again.
int drift(int argc, char** argv);

// Changes a file of the configuration and waits until the kernel has what follows from it; prints the seconds
// between.
//   edit mtu FILE DRAFT HOST_END MTU   writes the draft's text into the file; until both ends have the MTU
//   edit add FILE DRAFT HOST_END       the same; until the host's end is up and both default routes are there
//   edit drop FILE NAME                removes the file; until the namespace has lost its name
int edit(int argc, char** argv);

}  // namespace bench
