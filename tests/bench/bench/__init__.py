# SPDX-License-Identifier: Apache-2.0
"""The benchmark of tests/bench/run: contenders do the same work on throw-away hosts, and are measured."""
