# Apache License, version 2.0 (see LICENSE)

# It runs on the host that is changed, with whatever Python is there: nothing in it may need
# more than 2.7 or 3.5, nor a library besides Ansible's own.
from __future__ import absolute_import, division, print_function
__metaclass__ = type

DOCUMENTATION = r'''
---
module: xbr_script
short_description: Put a host's NIC into a bridge for guests, and take it out again
version_added: "1.0.0"
description:
  - Calls C(xbr-script start) or C(xbr-script stop). The host keeps its addresses, routes and connections, also
    those of Ansible over the very NIC that moves.
  - With C(confirm) the change is kept only if Ansible reaches the host again, over a new connection that was opened
    after the change. Otherwise the host puts everything back by itself after that time, and the task fails.
  - In check mode nothing is changed. The task fails if the change would be refused.
  - With C(--diff) it shows the network before and after the change; in check mode, the commands that would do it.
options:
  state:
    description:
      - C(started) puts NICs into bridges, and mends what is broken. C(stopped) takes them out again.
    type: str
    choices: [started, stopped]
    default: started
  vifnum:
    description: The number in the names of interfaces.
    type: int
  bridge:
    description: The bridge, such as C(xenbr0).
    type: str
  netdev:
    description: The NIC, by default that of the default route.
    type: str
  dom0:
    description: Whether the host has an interface of its own, or the bridge itself has the host's addresses.
    type: str
    choices: [veth, bridge]
  antispoof:
    description: Whether guests may send only with addresses of their own.
    type: str
    choices: ['yes', 'no', strict]
  guests:
    description: With C(antispoof=yes), whether guests without rules are cut off.
    type: str
    choices: [rules, allow]
  next:
    description: Further bridges, which succeed or fail together with the first one.
    type: list
    elements: dict
    default: []
    suboptions:
      vifnum:
        description: As above.
        type: int
      bridge:
        description: As above.
        type: str
      netdev:
        description: As above.
        type: str
      dom0:
        description: As above.
        type: str
        choices: [veth, bridge]
      antispoof:
        description: As above.
        type: str
        choices: ['yes', 'no', strict]
      guests:
        description: As above.
        type: str
        choices: [rules, allow]
  config:
    description: A file with the bridges, instead of the options above.
    type: path
  ip_forward:
    description: IPv4 forwarding of the whole host.
    type: str
    choices: ['0', '1']
  wait:
    description: Seconds to wait after the change for the link, and for the hosts that answered before.
    type: int
  check:
    description: An address that must still answer pings after the change, or C(no) to ask nobody.
    type: str
  lease:
    description: Whether an address that expires is moved although nobody is known to renew it.
    type: str
    choices: [known, any]
  confirm:
    description:
      - Seconds after which the host puts everything back, unless Ansible has reached it over a new connection.
      - C(0) does not wait. That is also the only possible value where there is no connection that could be cut, as
        with C(connection=local).
    type: int
    default: 60
  come_back:
    description:
      - Seconds for which Ansible goes on trying to reach a host that must have put itself back. Only then the task gives up,
        and does not know how the host is.
    type: int
    default: 60
  refuse_breaks:
    description:
      - Fail before the first change if something that holds on to a NIC would break, such as a socket of a program that
        has to be restarted afterwards. By default the task goes on, and C(breaks) says what it is.
    type: bool
    default: false
  executable:
    description: The program, by its path or by a name that is in C(PATH), C(/usr/local/sbin) or C(/usr/sbin).
    type: str
    default: xbr-script
  step:
    description: For the action plugin, which does the task in several steps. Not to be used in a playbook.
    type: str
    choices: [all, plan, begin, end]
    default: all
  call:
    description: For the action plugin; the name of a call that is done in steps.
    type: str
requirements:
  - xbr-script on the host
  - root
notes:
  - An action plugin of the same name belongs to it. Without that plugin, C(confirm) other than C(0) is refused.
attributes:
  check_mode:
    support: full
    description: Plans everything and changes nothing.
  diff_mode:
    support: full
    description: Shows the network, or in check mode the commands.
  platform:
    support: full
    platforms: linux
    description: Linux 3.7 and later.
author:
  - the authors of xbr-script (@xbr-script)
'''

EXAMPLES = r'''
- name: Put the default route's NIC into a bridge
  xbr_script:

- name: Two bridges, the second one without a way out
  xbr_script:
    bridge: xenbr0
    netdev: eth0
    next:
      - bridge: xenbr1
        netdev: dummy0
        vifnum: 1
    confirm: 120

- name: Take all NICs out of their bridges
  xbr_script:
    state: stopped
'''

RETURN = r'''
outcome:
  description:
    - C(done), C(nothing to do), C(would be done), C(refused), C(put back), C(put back in part), C(unknown).
    - The last one means that Ansible could not ask the host any more. By then it has put itself back.
  returned: always
  type: str
command_line:
  description: The call, quoted for a shell.
  returned: always
  type: str
done:
  description: What was done, in words.
  returned: always
  type: list
  elements: str
notes:
  description: What else one should know.
  returned: always
  type: list
  elements: str
breaks:
  description: What holds on to the NICs and will not go on by itself, as xbr-script check has it.
  returned: always
  type: list
  elements: dict
errors:
  description: Why it failed, each with its C(reason), and with a C(hint) where something helps.
  returned: on failure
  type: list
  elements: dict
script:
  description: The commands that would make the change.
  returned: in check mode
  type: list
  elements: str
bridges:
  description: The bridges afterwards, as C(xbr-script status --json) has them.
  returned: when it was not check mode
  type: list
  elements: dict
last:
  description: The last change of the host's network and what became of it.
  returned: when the host was changed since it was booted
  type: dict
'''

import glob
import json
import os
import shutil
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

PER_BRIDGE = ('vifnum', 'bridge', 'netdev', 'dom0', 'antispoof', 'guests')
HOST_WIDE = ('ip_forward', 'wait', 'check', 'lease', 'config')

WAITS = 'waits to be confirmed'
PUT_BACK = ('put back', 'put back in part')

# How long the step 'end' waits for a call that is under way, before it says so.
PATIENCE = 8

# A script of a diff, in lines; with full routing tables it may have many thousands.
LONGEST = 500


def bridge_options():
    return dict(
        vifnum=dict(type='int'),
        bridge=dict(type='str'),
        netdev=dict(type='str'),
        dom0=dict(type='str', choices=['veth', 'bridge']),
        antispoof=dict(type='str', choices=['yes', 'no', 'strict']),
        guests=dict(type='str', choices=['rules', 'allow']),
    )


def main():
    spec = bridge_options()
    spec.update(
        state=dict(type='str', choices=['started', 'stopped'], default='started'),
        next=dict(type='list', elements='dict', options=bridge_options(), default=[]),
        config=dict(type='path'),
        ip_forward=dict(type='str', choices=['0', '1']),
        wait=dict(type='int'),
        check=dict(type='str'),
        lease=dict(type='str', choices=['known', 'any']),
        confirm=dict(type='int', default=60),
        come_back=dict(type='int', default=60),
        refuse_breaks=dict(type='bool', default=False),
        executable=dict(type='str', default='xbr-script'),
        step=dict(type='str', choices=['all', 'plan', 'begin', 'end'], default='all'),
        call=dict(type='str'),
    )
    module = AnsibleModule(
        argument_spec=spec,
        supports_check_mode=True,
        mutually_exclusive=[('config', key) for key in PER_BRIDGE + ('next',)],
        required_if=[('step', 'begin', ['call']), ('step', 'end', ['call'])],
    )
    Task(module).run()


class Task:
    '''One step of the task.'''

    def __init__(self, module):
        self.module = module
        self.params = module.params
        self.program = module.get_bin_path(self.params['executable'], True, ['/usr/local/sbin', '/usr/sbin'])
        call = self.params['call']
        if call and not call.isalnum():
            module.fail_json(msg='the name of a call has letters and digits only')
        # Only root may write there, so nobody else can have made it.
        self.dir = os.path.join('/run', 'xbr-script.ansible.%s' % call)

    def run(self):
        step = self.params['step']
        if os.geteuid() != 0 and not self.module.check_mode:
            self.module.fail_json(msg='changing the network needs root', hint='become: true', ended=True)
        if step == 'end':
            self.end()
        plan = self.plan()
        if self.module.check_mode or step == 'plan' or not plan['changed']:
            self.leave(plan)
        if step == 'begin':
            self.begin()
        if self.params['confirm']:
            self.module.fail_json(msg='confirm needs the action plugin xbr_script beside the module',
                                  hint='put action_plugins/xbr_script.py into the role or beside the playbook')
        before = self.status()
        self.leave(self.answer(self.words()), before)

    # What is asked for.

    def words(self, *more):
        '''The command line of the call.'''
        command = 'start' if self.params['state'] == 'started' else 'stop'
        words = [self.program, command] + self.keys(self.params, PER_BRIDGE)
        for bridge in self.params['next']:
            words += ['--next'] + self.keys(bridge, PER_BRIDGE)
        return words + self.keys(self.params, HOST_WIDE) + list(more) + ['--json']

    def keys(self, values, names):
        '''The words for those that are given. YAML takes an unquoted no for False.'''
        given = [(name, values.get(name)) for name in names]
        return ['%s=%s' % (name, 'no' if name == 'check' and value == 'False' else value)
                for name, value in given if value not in (None, '')]

    def plan(self):
        '''What the call would do; it ends the task if it would be refused.'''
        plan = self.answer(self.words('--dry-run'))
        if plan['exit_status'] != 0:
            self.leave(plan)
        if plan['breaks'] and self.params['refuse_breaks']:
            plan.update(outcome='refused', changed=False, exit_status=1, errors=[
                dict(reason='it would break: %s' % thing.get('what', ''), hint=thing.get('then', ''))
                for thing in plan['breaks']])
            self.leave(plan)
        return plan

    # The call.

    def begin(self):
        '''Begins the call in the background, whatever becomes of the connection.'''
        before = self.status()
        if not before.get('waiting'):
            for left in glob.glob(os.path.join('/run', 'xbr-script.ansible.*', 'answer')):
                shutil.rmtree(os.path.dirname(left))  # nobody came back for it
        os.mkdir(self.dir, 0o700)
        self.write('begun', json.dumps(dict(before=before, connection=connection())))
        # The answer has its name once it is whole.
        script = 'cd "$1"; shift; "$@" >unfinished 2>said </dev/null; mv unfinished answer'
        words = self.words('confirm=%d' % self.params['confirm'])
        with open(os.devnull, 'r+') as null:
            # In a session of its own: it outlives this one.
            child = subprocess.Popen(['/bin/sh', '-c', script, 'sh', self.dir] + words, stdin=null, stdout=null,
                                     stderr=null, close_fds=True, preexec_fn=os.setsid)
        self.write('pid', str(child.pid))
        self.module.exit_json(changed=True, begun=True)

    def end(self):
        '''Confirms the change that was begun, if that is for this connection to do.'''
        if not os.path.isdir(self.dir):
            self.module.fail_json(known=False, msg='nothing is known of the change that was begun: perhaps the host was booted since',
                                  **self.afterwards())
        if not os.path.exists(os.path.join(self.dir, 'answer')):
            self.wait()
        begun = json.loads(self.read('begun'))
        answer = self.parse(self.read('answer'), self.read('said'), 0)
        if answer['outcome'] == WAITS:
            self.confirm(answer, begun['connection'])
        self.leave(answer, begun['before'])

    def wait(self):
        '''Waits for the answer, but does not go on with it: this connection is older than the change.'''
        until = time.time() + PATIENCE
        while time.time() < until and not os.path.exists(os.path.join(self.dir, 'answer')):
            if not self.alive():
                self.module.fail_json(msg='the call has ended without an answer', outcome='unknown', ended=True,
                                      **self.afterwards())
            time.sleep(0.1)
        self.module.exit_json(changed=False, again=True)

    def alive(self):
        pid = self.read('pid')
        if not pid:
            return True  # it is being written
        if os.path.exists(os.path.join('/proc', pid)):
            return True
        return os.path.exists(os.path.join(self.dir, 'answer'))

    def confirm(self, answer, connection_before):
        '''Keeps the change. The former try may have done so, and not come home with it.'''
        status = self.status()
        if (status.get('waiting') or {}).get('command') == answer['command_line']:
            now = connection()
            if now and now == connection_before:
                self.module.fail_json(same_connection=True, msg='this is the connection by which the change was made: that it '
                                      'still works says nothing about new ones, so the change is not confirmed')
            self.answer([self.program, 'confirm', '--json'])
            status = self.status()
        last = status.get('last') or {}
        if last.get('command_line') == answer['command_line'] and last.get('outcome') == 'done':
            answer.update(outcome='done', notes=[])
            return
        answer.update(outcome=last.get('outcome', 'unknown'), exit_status=1, done=[], notes=[], errors=[dict(
            reason='%s: the host has put itself back' % last.get('why', 'the change is not there any more'),
            hint='it could not be reached over a new connection meanwhile: look what keeps those out after the change')])

    # What is told.

    def leave(self, answer, before=None):
        '''Ends the module with what became of the call.'''
        result = dict((name, answer[name]) for name in ('outcome', 'command_line', 'done', 'notes', 'breaks', 'errors'))
        result.update(changed=answer['changed'] and answer['outcome'] not in PUT_BACK, ended=True)
        if before is None:
            script = answer.get('script') or []
            result.update(script=script)
            if self.module._diff and answer['changed']:
                result['diff'] = dict(prepared=shortened(script))
        else:
            after = self.status()
            result.update(self.afterwards(after))
            if self.module._diff:
                result['diff'] = dict(before_header='network', before=drawn(before), after_header='network', after=drawn(after))
        for thing in answer['breaks']:
            self.module.warn('breaks: %s: %s' % (thing.get('what', ''), thing.get('then', '')))
        if answer['exit_status'] == 0:
            self.module.exit_json(**result)
        self.module.fail_json(msg=told(answer['errors']) or 'exit status %d' % answer['exit_status'], **result)

    def afterwards(self, status=None):
        status = status or self.status()
        shown = dict(bridges=status.get('bridges') or [])
        if status.get('last'):
            shown['last'] = status['last']
        return shown

    # The program.

    def answer(self, words):
        code, out, err = self.module.run_command(words)
        return self.parse(out, err, code)

    def parse(self, out, err, code):
        try:
            answer = json.loads(out)
        except ValueError:
            self.module.fail_json(msg='xbr-script gave no answer', rc=code, stdout=out, stderr=err, outcome='unknown', ended=True,
                                  hint='the program may be older than its option --json: xbr-script --version')
        if answer.get('version') != 1:
            self.module.fail_json(msg='this module does not know version %s of the answers of xbr-script' % answer.get('version'),
                                  outcome='unknown', ended=True)
        for name in ('done', 'notes', 'breaks', 'errors'):
            answer.setdefault(name, [])
        return answer

    def status(self):
        '''The network; of a host that has none of ours, what can be said.'''
        dummy, out, dummy = self.module.run_command([self.program, 'status', '--json'])
        try:
            return json.loads(out)
        except ValueError:
            return {}

    def write(self, name, text):
        with open(os.path.join(self.dir, 'new'), 'w') as f:
            f.write(text)
        os.rename(os.path.join(self.dir, 'new'), os.path.join(self.dir, name))

    def read(self, name):
        try:
            with open(os.path.join(self.dir, name)) as f:
                return f.read()
        except (IOError, OSError):
            return ''


def connection():
    '''The TCP connection by which we were called, as sshd tells its children. sudo keeps it from its own.'''
    pid = os.getpid()
    while pid > 1:
        try:
            with open('/proc/%d/environ' % pid, 'rb') as f:
                for line in f.read().split(b'\0'):
                    if line.startswith(b'SSH_CONNECTION='):
                        return line.split(b'=', 1)[1].decode('utf-8', 'replace')
            with open('/proc/%d/stat' % pid) as f:
                # The name, in parentheses, may have any character in it.
                pid = int(f.read().rsplit(')', 1)[1].split()[1])
        except (IOError, OSError, ValueError, IndexError):
            return ''
    return ''


def drawn(status):
    '''The network in lines that a diff can compare.'''
    lines = []
    for b in status.get('bridges') or []:
        lines.append('%s: %s' % (b.get('bridge'), b.get('state')))
        lines += ['  NIC %s' % b['nic']['name']] if b.get('nic') else []
        if b.get('dom0'):
            port = b.get('dom0_port')
            lines.append('  dom0 %s%s' % (b['dom0']['name'], ' by %s' % port['name'] if port else ''))
        lines += ['  address %s' % a for a in b.get('addresses') or []]
        lines += ['  route %s' % r for r in b.get('default_routes') or []]
        lines += ['  guest %s' % g.get('name') for g in b.get('guests') or []]
        spoof = b.get('antispoof') or {}
        if spoof.get('on'):
            lines.append('  antispoof%s' % ('' if spoof.get('in_force') else ', not in force'))
    if status.get('ip_forward'):
        lines.append('ip_forward %s' % status['ip_forward'])
    return ''.join(line + '\n' for line in lines)


def shortened(script):
    lines = script[:LONGEST]
    if len(script) > LONGEST:
        lines = lines + ['# and %d more' % (len(script) - LONGEST)]
    return ''.join(line + '\n' for line in lines)


def told(errors):
    '''Reasons and hints in one message.'''
    return '; '.join(e.get('reason', '') + (' (%s)' % e['hint'] if e.get('hint') else '') for e in errors)


if __name__ == '__main__':
    main()
