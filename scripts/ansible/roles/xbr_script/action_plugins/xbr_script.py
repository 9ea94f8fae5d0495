# Apache License, version 2.0 (see LICENSE)

# It runs on the controller. What makes it necessary: that the connection goes on by which a
# change was made says little about the host; only a new one shows that it can be reached.
from __future__ import absolute_import, division, print_function
__metaclass__ = type

import time
import uuid

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

# In front of all that is configured, because ssh takes the first value of an option: each
# command has a connection of its own, which ends when nothing comes through any more.
NEW_CONNECTIONS = '-o ControlMaster=no -o ControlPath=none -o ServerAliveInterval=5 -o ServerAliveCountMax=3'

# Seconds, where the task does not say them; wait is the program's own default.
CONFIRM, COME_BACK, WAIT = 60, 60, 10

PAUSE = 1


class ActionModule(ActionBase):
    '''Makes a change, comes back, and confirms it.'''

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super(ActionModule, self).run(tmp, task_vars)
        result.update(self.task(self._task.args, task_vars))
        result.pop('ended', None)  # between the two of us
        return result

    def task(self, args, task_vars):
        if 'step' in args or 'call' in args:
            return dict(failed=True, msg='step and call are not for playbooks')
        try:
            confirm = int(args.get('confirm', CONFIRM))
            patience = confirm + int(args.get('wait') or WAIT) + int(args.get('come_back', COME_BACK))
        except (TypeError, ValueError):
            confirm = patience = 0  # the module says what is wrong
        if not confirm:
            return self.step('all', task_vars)

        # A host that cannot be reached to begin with is not touched.
        plan = self.step('plan', task_vars)
        if plan.get('failed') or not plan.get('changed') or self._task.check_mode:
            return plan
        if self._connection.transport == 'local':
            return dict(failed=True, changed=False, outcome='refused', msg='confirm needs a connection that a change could cut: '
                        'with connection=local nobody would notice (confirm: 0, and check= with an address that must answer)')
        restore = self.only_new_connections()
        try:
            return self.change(confirm, patience, task_vars)
        finally:
            restore()

    def step(self, name, task_vars, **more):
        args = dict(self._task.args, step=name, **more)
        return self._execute_module(module_name='xbr_script', module_args=args, task_vars=task_vars)

    def only_new_connections(self):
        '''From now on each command connects anew. The answer is how that ends.'''
        connection = self._connection
        if connection.transport != 'ssh':
            return lambda: None  # each try resets the connection
        before = connection.get_option('ssh_args') or ''
        connection.set_option('ssh_args', '%s %s' % (NEW_CONNECTIONS, before))

        def restore():
            connection.set_option('ssh_args', before)
            self.reset()  # the shared one may have got stuck
        return restore

    def reset(self):
        try:
            self._connection.reset()
        except (AnsibleError, AttributeError, NotImplementedError) as e:
            display.vvv('xbr_script: cannot reset the connection: %s' % e)

    def tidy(self, call):
        try:
            self._low_level_execute_command('rm -rf /run/xbr-script.ansible.%s' % call)
        except AnsibleConnectionFailure:
            pass  # the next call does so

    def change(self, confirm, patience, task_vars):
        call = uuid.uuid4().hex
        until = time.time() + patience
        try:
            begun = self.step('begin', task_vars, call=call)
        except AnsibleConnectionFailure as e:
            begun = dict(failed=True, msg=str(e))
        if begun.get('ended'):
            return begun
        # Otherwise it may have begun even if we have not heard so.
        display.vvv('xbr_script: it began: %s' % begun.get('msg', 'yes'))
        last, reached = 'no try', False
        while time.time() < until:
            if self._connection.transport != 'ssh':
                self.reset()
            try:
                end = self.step('end', task_vars, call=call)
            except AnsibleConnectionFailure as e:
                last = str(e)
            else:
                reached = True
                if end.get('known') is False and begun.get('failed'):
                    return dict(end, msg='%s (%s)' % (end['msg'], begun.get('msg', '')))
                if end.get('ended') or end.get('same_connection') or end.get('known') is False:
                    self.tidy(call)
                    return end
                last = end.get('msg', last)
                if end.get('again'):
                    until = time.time() + patience
                    continue  # it has waited there
            display.vvv('xbr_script: not yet: %s' % last)
            time.sleep(PAUSE)
        # What Ansible would tidy up cannot be reached either.
        if not reached:
            self._connection._shell.tmpdir = None
        return dict(failed=True, changed=False, outcome='unknown', errors=[], done=[], notes=[], breaks=[], command_line='',
                    msg='the host cannot be reached over a new connection: it puts itself back %d s after the change, but did '
                        'not answer afterwards either (last: %s)' % (confirm, last.strip()))
