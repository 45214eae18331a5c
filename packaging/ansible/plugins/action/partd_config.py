# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""Reads `src` on the controller, as ansible.builtin.copy finds it, and hands it to the module as content."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.errors import AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super(ActionModule, self).run(tmp, task_vars)
        del tmp
        arguments = dict(self._task.args)
        try:
            self.read_source(arguments)
            files = arguments.get('files')
            if isinstance(files, list):
                arguments['files'] = [dict(each) if isinstance(each, dict) else each for each in files]
                for each in arguments['files']:
                    if isinstance(each, dict):
                        self.read_source(each)
        except (AnsibleError, UnicodeDecodeError) as error:
            result.update(failed=True, msg='src: %s' % to_text(error))
            return result
        result.update(self._execute_module(module_name='partd.host.partd_config', module_args=arguments, task_vars=task_vars))
        return result

    def read_source(self, arguments):
        """Replaces src by content; leaves both where both are given, for the module to refuse."""
        source = arguments.get('src')
        if source is None or arguments.get('content') is not None or arguments.get('config') is not None:
            return
        path = self._loader.get_real_file(self._find_needle('files', source))
        with open(path, 'rb') as file:
            arguments['content'] = to_text(file.read(), errors='strict')
        del arguments['src']
