"""A real Postfix asks, real name servers answer, weighd weighs.

Postfix -> weighd -> unbound -> NSD (domains) and rbldnsd (lists), all on loopback.  WEIGHD and
WEIGHCTL name the programs; each scenario is one test point of TAP.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import scenarios
import servers
from smtp import Client

# address, name, HELO, sender; Postfix says "unknown" for [UNAVAILABLE]
LISTED = ('198.51.100.23', '[UNAVAILABLE]', 'desktop.lottery.example', 'win@lottery.example')
LISTED6 = ('2001:db8:bad::25', '[UNAVAILABLE]', 'desktop.lottery.example', 'win@lottery.example')
CLEAN = ('192.0.2.10', 'mail.partner.example', 'mail.partner.example', 'b.meier@partner.example')
# sound in all but that it is listed
MIXED = ('192.0.2.11', 'mail2.partner.example', 'mail2.partner.example', CLEAN[3])
# says that it is the clean one, from elsewhere
FORGED = ('203.0.113.99', '[UNAVAILABLE]') + CLEAN[2:]
CLEAN6 = ('2001:db8::10', 'mail.partner.example', 'mail.partner.example',
          'b.meier@partner.example')

NUMBER = r'[0-9A-Z]{4}-[0-9A-Z]{4}'

RECORDS = '''
partner.example.                MX  10 mail.partner.example.
mail.partner.example.           A    192.0.2.10
mail.partner.example.           AAAA 2001:db8::10
10.2.0.192.in-addr.arpa.        PTR  mail.partner.example.
mail2.partner.example.          A    192.0.2.11
11.2.0.192.in-addr.arpa.        PTR  mail2.partner.example.
partner.example.                MX  20 mail2.partner.example.
0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mail.partner.example.
lottery.example.                A    203.0.113.5
desktop.lottery.example.        A    203.0.113.6
example.org.                    MX  10 mx.example.org.
mx.example.org.                 A    127.0.0.1
'''

LISTS = [
    ('bl.example', 'ip4set', ':127.0.0.2:listed, see http://bl.example/\n127.0.0.2\n198.51.100.23\n192.0.2.11\n'),
    ('bl.example', 'ip6trie', ':127.0.0.2:listed\n2001:db8:bad::/48\n'),
]

CONFIG = '''
listen   inet:127.0.0.1:{port} policy inbound
control  control.sock
resolver 127.0.0.1:{resolver}
deadline 5s
mode     enforce
log      stderr

zone bl.example {{
    lists   ip4, ip6
    means   listed = 127.0.0.2
    refused 127.255.255.0/24
}}

policy inbound {{
    weigh dnsbl bl.example {{ listed 9, clear -0.5 }}
    weigh identity {{
        helo_is_client -1, helo_is_not_client 2
        ptr_is_helo -0.5, ptr_none 1.5
        sender_is_client -1, sender_is_not_client 2.5
    }}
    reject  "5.7.1 {text}, number $id" if score >= 5
    prepend "X-Weighd: $summary"
}}
'''

CLASSIC = '''
$REJECTMSG = '550 refused by the old weights';
$REJECTLEVEL = 1;
@dnsbl_score = (
    'bl.example', 4.35, -1.5, 'BL_EXAMPLE',
);
@rhsbl_score = ();
$NS = '127.0.0.1';
$TCP_PORT = {port};
'''


def send(postfix, client, recipients=('anna@example.org',), subject='hello'):
    """One message; what each RCPT was answered, and the end of DATA or None."""
    address, name, helo, sender = client
    with Client(postfix.port, address, name, helo) as session:
        session.begin(sender)
        answers = [session.recipient(recipient) for recipient in recipients]
        is_taken = any(answer.startswith('250') for answer in answers)
        return answers, session.data(subject) if is_taken else None


def delivered(postfix, subject, count=1):
    """The messages of a subject, when all copies have come."""
    def found():
        copies = [message for message in postfix.messages()
                  if f'\nSubject: {subject}\n' in message]
        return copies if len(copies) >= count else None
    return servers.wait_for(f'delivery of {subject}', found)


def refused(answers, text):
    """Every answer is the refusal by RCPT, each with a number of its own."""
    numbers = set()
    for answer in answers:
        match = re.search(rf'^550 5\.7\.1 .*{re.escape(text)}, number ({NUMBER})$', answer)
        assert match, answer
        numbers.add(match[1])
    assert len(numbers) == len(answers), f'numbers given twice: {answers}'
    return numbers


class Scenarios:
    """All scenarios of one world, in the order in which they are run."""

    def __init__(self, world):
        self.world = world
        self.bin = world.folder / 'bin'
        self.bin.mkdir()
        for variable in ('WEIGHD', 'WEIGHCTL'):
            shutil.copy2(os.environ[variable], self.bin / variable.lower())
        self.subjects = 0

        self.nsd = world.make(servers.Nsd, 'nsd', RECORDS)
        self.lists = world.make(servers.Rbldnsd, 'rbldnsd', LISTS)
        self.unbound = world.make(servers.Unbound, 'unbound', self.nsd.port, ['bl.example'],
                                  self.lists.port)
        self.tcp_port = servers.free_port()
        self.weighd = world.make(servers.Weighd, 'weighd', self.bin / 'weighd', self.config())
        self.postfix = world.make(servers.Postfix, 'postfix', f'inet:127.0.0.1:{self.tcp_port}')
        self.spawned = None
        self.spawned_config = None
        self.imported = None

    def config(self, text='refused by policy', port=None):
        return CONFIG.format(port=port or self.tcp_port, resolver=self.unbound.port, text=text)

    def subject(self):
        self.subjects += 1
        return f'message {self.subjects}'

    # over TCP

    def listed_is_refused(self, postfix=None, client=LISTED):
        answers, end = send(postfix or self.postfix, client)
        refused(answers, 'refused by policy')
        assert end is None

    def number_is_in_the_log(self):
        answers, _ = send(self.postfix, LISTED)
        number = refused(answers, 'refused by policy').pop()
        servers.wait_for('log line', lambda: number in self.weighd.log())
        line = next(line for line in self.weighd.log().splitlines() if number in line)
        assert 'action=reject' in line and LISTED[0] in line, line

    def listed_ip6_is_refused(self):
        self.listed_is_refused(client=LISTED6)

    def null_sender_is_weighed(self):
        self.listed_is_refused(client=LISTED[:3] + ('',))

    def forged_is_refused(self):
        """Unlisted, but NSD's names speak against it."""
        self.listed_is_refused(client=FORGED)

    def clean_has_the_header(self, postfix=None, client=CLEAN):
        postfix, subject = postfix or self.postfix, self.subject()
        answers, end = send(postfix, client, subject=subject)
        assert answers[0].startswith('250') and end.startswith('250'), (answers, end)
        message = delivered(postfix, subject)[0]
        header = re.search(r'^X-Weighd: .*$', message, re.M)
        assert header, message
        for finding in ('clear', 'helo_is_client', 'ptr_is_helo', 'sender_is_client'):
            assert finding in header[0], header[0]

    def clean_ip6_has_the_header(self):
        self.clean_has_the_header(client=CLEAN6)

    def several_recipients(self, postfix=None):
        postfix, subject = postfix or self.postfix, self.subject()
        three = [f'{name}@example.org' for name in ('anna', 'bert', 'carla')]
        answers, _ = send(postfix, LISTED, three)
        refused(answers, 'refused by policy')
        answers, end = send(postfix, CLEAN, three, subject)
        assert all(answer.startswith('250') for answer in answers), answers
        assert end.startswith('250'), end
        for message in delivered(postfix, subject, 3):
            assert 'X-Weighd: ' in message, message

    def dead_list_is_no_listing(self):
        self.lists.stop()
        try:
            answers, _ = send(self.postfix, MIXED)
            assert answers[0].startswith('250'), answers
            line = servers.wait_for('log line', lambda: next(
                (line for line in self.weighd.log().splitlines() if MIXED[0] in line), None))
            assert 'unknown="bl"' in line, line
        finally:
            self.lists.start()

    def returned_list_lists(self):
        servers.wait_for('a refusal', lambda: send(self.postfix, MIXED)[0][0].startswith('550'))

    def reload_changes_the_text(self):
        self.weighd.write(self.config(text='refused anew'))
        self.weighd.send(signal.SIGHUP)
        servers.wait_for('the new text', lambda: 'refused anew' in send(self.postfix, LISTED)[0][0])
        self.weighd.write(self.config())
        self.weighd.send(signal.SIGHUP)
        servers.wait_for('the old text',
                         lambda: 'refused by policy' in send(self.postfix, LISTED)[0][0])

    def bad_reload_changes_nothing(self):
        before = len(self.weighd.log())
        self.weighd.write(self.config() + '\npolicy broken { weigh dnsl bl.example }\n')
        self.weighd.send(signal.SIGHUP)
        servers.wait_for('the message', lambda: "dnsl" in self.weighd.log()[before:])
        self.listed_is_refused()
        self.weighd.write(self.config())

    def death_follows_default_action(self):
        self.weighd.stop(signal.SIGKILL)
        subject = self.subject()
        answers, end = send(self.postfix, LISTED, subject=subject)
        assert answers[0].startswith('250') and end.startswith('250'), (answers, end)
        assert 'X-Weighd:' not in delivered(self.postfix, subject)[0]

    def restart_heals(self):
        self.weighd.start()
        self.listed_is_refused()
        self.clean_has_the_header()

    def term_drains(self):
        status = self.weighd.stop(signal.SIGTERM)
        assert status == 0, f'ended with {status}'
        self.weighd.start()

    # under spawn(8)

    def start_spawned(self):
        if self.spawned is not None:
            return
        folder = self.world.folder / 'stdio'
        folder.mkdir()
        folder.chmod(0o755)
        self.spawned_config = folder / 'weighd.conf'
        self.spawned_config.write_text(self.config(port=servers.free_port()))
        service = ('weighd unix - n n - 0 spawn user=nobody argv='
                   f'{self.bin}/weighd --stdio --config {self.spawned_config}\n')
        self.spawned = self.world.make(servers.Postfix, 'postfix-stdio', 'unix:private/weighd',
                                       service)

    def stdio_listed_is_refused(self):
        self.start_spawned()
        self.listed_is_refused(self.spawned)

    def stdio_clean_has_the_header(self):
        self.start_spawned()
        self.clean_has_the_header(self.spawned)

    def stdio_several_recipients(self):
        self.start_spawned()
        self.several_recipients(self.spawned)

    def stdio_failure_follows_default_action(self):
        self.start_spawned()
        program = self.bin / 'weighd'
        away = program.rename(self.bin / 'weighd.away')
        self.end_spawned()
        try:
            answers, _ = send(self.spawned, LISTED)
            assert answers[0].startswith('250'), answers
        finally:
            away.rename(program)

    def stdio_return_heals(self):
        self.start_spawned()
        self.listed_is_refused(self.spawned)

    def end_spawned(self):
        """End the weighd processes that this test's spawn(8) started."""
        wanted = str(self.spawned_config).encode()
        for folder in pathlib.Path('/proc').iterdir():
            try:
                arguments = (folder / 'cmdline').read_bytes().split(b'\0')
                is_spawn = arguments[0].endswith(b'spawn')
                if wanted in arguments and b'--stdio' in arguments and not is_spawn:
                    os.kill(int(folder.name), signal.SIGKILL)
            except OSError:
                continue

    # an imported configuration of policyd-weight

    def start_imported(self):
        if self.imported is not None:
            return
        port = servers.free_port()
        source = self.world.folder / 'policyd-weight.conf'
        source.write_text(CLASSIC.format(port=port))
        done = subprocess.run([self.bin / 'weighctl', 'import', 'policyd-weight', source],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        # policyd-weight always asks port 53
        config, changes = re.subn(r'^(\s*resolver\s+127\.0\.0\.1)\b.*$',
                                  rf'\1:{self.unbound.port}', done.stdout, flags=re.M)
        assert changes == 1 and f':{port}' in config, done.stdout
        self.world.make(servers.Weighd, 'weighd-imported', self.bin / 'weighd', config)
        self.imported = self.world.make(servers.Postfix, 'postfix-imported',
                                        f'inet:127.0.0.1:{port}')

    def imported_listed_is_refused(self):
        self.start_imported()
        answers, _ = send(self.imported, LISTED)
        assert re.match(r'550 .*refused by the old weights', answers[0]), answers

    def imported_clean_has_the_header(self):
        self.start_imported()
        subject = self.subject()
        answers, end = send(self.imported, CLEAN, subject=subject)
        assert answers[0].startswith('250') and end.startswith('250'), (answers, end)
        message = delivered(self.imported, subject)[0]
        assert re.search(r'^X-policyd-weight: .*NOT_IN_BL_EXAMPLE=-1\.5', message, re.M | re.I), message


TESTS = [
    ('tcp: a listed client is refused before DATA', Scenarios.listed_is_refused),
    ('tcp: the number of a refusal is in the log', Scenarios.number_is_in_the_log),
    ('tcp: a listed IPv6 client is refused', Scenarios.listed_ip6_is_refused),
    ('tcp: a bounce from a listed client is refused', Scenarios.null_sender_is_weighed),
    ('tcp: a forged client is refused by names alone', Scenarios.forged_is_refused),
    ('tcp: a clean client passes with the header', Scenarios.clean_has_the_header),
    ('tcp: a clean IPv6 client passes with the header', Scenarios.clean_ip6_has_the_header),
    ('tcp: several recipients', Scenarios.several_recipients),
    ('tcp: a dead list is no listing, and named as unknown', Scenarios.dead_list_is_no_listing),
    ('tcp: when it returns it lists again', Scenarios.returned_list_lists),
    ('tcp: SIGHUP takes a new policy', Scenarios.reload_changes_the_text),
    ('tcp: SIGHUP with a bad file changes nothing', Scenarios.bad_reload_changes_nothing),
    ("tcp: the daemon's death follows default_action", Scenarios.death_follows_default_action),
    ('tcp: a restart heals it', Scenarios.restart_heals),
    ('tcp: SIGTERM ends it in order', Scenarios.term_drains),
    ('spawn: a listed client is refused before DATA', Scenarios.stdio_listed_is_refused),
    ('spawn: a clean client passes with the header', Scenarios.stdio_clean_has_the_header),
    ('spawn: several recipients', Scenarios.stdio_several_recipients),
    ('spawn: a missing program follows default_action',
     Scenarios.stdio_failure_follows_default_action),
    ('spawn: its return heals it', Scenarios.stdio_return_heals),
    ('imported: a listed client is refused with the old text',
     Scenarios.imported_listed_is_refused),
    ('imported: a clean client passes with the old header',
     Scenarios.imported_clean_has_the_header),
]


if __name__ == '__main__':
    sys.exit(scenarios.main(TESTS, Scenarios))
