# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""Writes what came of each task to the file RECORD, a JSON object a line."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
name: record
type: notification
short_description: results of tasks as JSON, for the tests
description: [Writes them to the file that the environment variable RECORD names.]
'''

import json
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'notification'
    CALLBACK_NAME = 'record'

    def record(self, outcome, result):
        line = dict(outcome=outcome, task=result.task_name, result=result._result)
        with open(os.environ['RECORD'], 'a') as file:
            file.write(json.dumps(line, default=str) + '\n')

    def v2_runner_on_ok(self, result):
        self.record('ok', result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.record('failed', result)

    def v2_runner_on_unreachable(self, result):
        self.record('unreachable', result)

    def v2_runner_on_skipped(self, result):
        self.record('skipped', result)
