# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Types of links that only Debian's kernel has, judged by the kernel tests.
# timeout: 240

kernel_tests "[links]"
