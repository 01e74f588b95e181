"""A real Postfix asks, and weighd remembers: greylisting, limits, honeypots, notices.

Postfix -> weighd (sqlite) -> NSD, all on loopback.  Nothing waits a fixed time: who was told to
come back comes back until he is let through.  Users log in at the submission service by SASL;
what stands behind Postfix there is dovecot_auth.py.  WEIGHD names the program; each scenario is
one test point of TAP.
"""

import json
import os
import re
import shutil
import signal
import smtplib
import socket
import sys

import dovecot_auth
import scenarios
import servers
from smtp import Client

NUMBER = r'[0-9A-Z]{4}-[0-9A-Z]{4}'
LATER = re.compile(rf'^450 4\.7\.1 .*greylisted, try again in (\d+) seconds, number {NUMBER}$')

RECORDS = '''
big.example.        TXT "v=spf1 ip4:192.0.2.64/26 ip4:198.51.100.64/26 -all"
small.example.      TXT "v=spf1 ip4:203.0.113.7 -all"
'''

CONFIG = '''
listen   inet:127.0.0.1:{inbound} policy inbound
listen   inet:127.0.0.1:{submission} policy submission
control  "{folder}/control"
store    sqlite "{folder}/state.db"
resolver 127.0.0.1:{dns}
hostname mx.example.org
mode     enforce
log      stderr

table traps inline {{ trap@example.org }}

policy inbound {{
    remember client_address in honeypot for 1d if recipient in traps
    reject "5.7.1 your host writes to traps, number $id" if client_address in honeypot
    limit helo by client_address 3/1h counting distinct helo_name \
else reject "5.7.1 too many HELO names"
    pass if [sender, recipient] in partners

    limit few by client_address 2/2s if recipient.local = "few"
    pass if recipient.local = "few"

    greylist for 1s if recipient.local = "organisation"
    pass if recipient.local = "organisation"

    greylist for 1h by client_address, sender, recipient no trust if recipient.local = "slow"
    greylist for 1s by client_address, sender, recipient trust 2 for 1d
    prepend "X-Weighd: $id"
}}

policy submission {{
    remember recipient, sender in partners for 60d
    limit places by sasl_username 2/1h counting distinct client_network \
else reject "5.7.1 too many places"
    limit user by sasl_username 2/1h
    limit messages by sender 1000/1h
    limit recipients by sender 1000/1h counting recipients
    limit volume by sender 100K/1h counting bytes
}}
'''

NOTICES = '''
listen   inet:127.0.0.1:{port} policy notices
store    memory
mode     enforce
log      stderr
sendmail "{sendmail}"

policy notices {{
    limit busy by client_address, sender 2/1h notify "postmaster@example.org"
}}
'''

# Who asks where: nothing but what is said here is asked of a policy.
SERVICE = '''
127.0.0.1:{port} inet n - n - 4 smtpd
    -o {{ smtpd_recipient_restrictions = reject_unauth_destination, {rcpt} }}
    -o {{ smtpd_data_restrictions = {data} }}
    -o {{ smtpd_end_of_data_restrictions = {end} }}
    -o smtpd_sasl_auth_enable=yes
    -o smtpd_sasl_type=dovecot
    -o smtpd_sasl_path={auth}
'''


class RootWeighd(servers.Weighd):
    """Run by root: an unpacked postdrop(1) has no rights of its own."""

    def __init__(self, folder, program, config):
        super().__init__(folder, program, config)
        os.chown(folder, 0, 0)

    def start(self):
        self.start_process([self.program, '--config', self.config, '--workers', '1'])
        self.wait_until('listens', lambda: servers.accepts(self.port))


class Session(Client):
    """A client from elsewhere; what it is answered, whatever that is."""

    def __init__(self, port, address, helo='client.example', user=None):
        super().__init__(port, address, '[UNAVAILABLE]', helo)
        if user is not None:
            self.smtp.login(user, 'secret')

    def send(self, sender, recipients, subject, size=0, declared=None):
        """The answers to each RCPT, and that to the end of DATA, or to DATA; or None."""
        declared = '' if declared is None else f' SIZE={declared}'
        self.expect(250, f'MAIL FROM:<{sender}>{declared}')
        answers = [self.recipient(recipient) for recipient in recipients]
        end = None
        if any(answer.startswith('250') for answer in answers):
            end = self.message(subject, size)
        if not (end or '').startswith('250'):
            self.smtp.rset()
        return answers, end

    def message(self, subject, size):
        head = f'Subject: {subject}\r\n\r\n'
        lines = -(-size // 80) if size else 1
        try:
            code, text = self.smtp.data(head + ('x' * 78 + '\r\n') * lines)
        except smtplib.SMTPDataError as error:
            code, text = error.smtp_code, error.smtp_error
        return f'{code} {text.decode()}'


def is_taken(answers, end):
    return all(answer.startswith('250') for answer in answers) and (end or '').startswith('250')


class Scenarios:
    """All scenarios of one world, in the order in which they are run."""

    def __init__(self, world):
        self.world = world
        self.program = world.folder / 'weighd-program'
        shutil.copy2(os.environ['WEIGHD'], self.program)
        self.subjects = 0
        ports = {name: servers.free_port() for name in ('inbound', 'submission', 'notices')}
        self.ports = ports
        self.nsd = world.make(servers.Nsd, 'nsd', RECORDS)
        self.folder = world.folder / 'weighd'
        self.weighd = world.make(servers.Weighd, 'weighd', self.program, CONFIG.format(
            folder=self.folder, dns=self.nsd.port, **ports))
        self.auth = dovecot_auth.Server(world.folder / 'auth', {'anna': 'secret', 'bert': 'secret'})
        self.submission, self.late, self.busy = (servers.free_port() for _ in range(3))
        ask, ask_busy = (f'check_policy_service inet:127.0.0.1:{ports[name]}'
                         for name in ('submission', 'notices'))
        self.postfix = world.make(
            servers.Postfix, 'postfix', f'inet:127.0.0.1:{ports["inbound"]}',
            self.service(self.submission, rcpt=ask, data=ask, end=ask) +
            self.service(self.late, end=ask) +
            self.service(self.busy, rcpt=ask_busy) +
            'pickup unix n - n 60 1 pickup\n')

    def service(self, port, rcpt='', data='', end=''):
        return SERVICE.format(port=port, rcpt=rcpt, data=data, end=end, auth=self.auth.path)

    def close(self):
        self.auth.close()

    def subject(self):
        self.subjects += 1
        return f'message {self.subjects}'

    def send(self, address, sender, recipients=('anna@example.org',), subject=None, port=None,
             **session):
        with Session(port or self.postfix.port, address, **session) as client:
            return client.send(sender, recipients, subject or self.subject())

    def until_taken(self, address, sender, recipients=('anna@example.org',), **session):
        """Try again, as a mail server does, until the mail is taken; the messages delivered."""
        subject = self.subject()
        servers.wait_for(f'mail from <{sender}> is taken', lambda: is_taken(
            *self.send(address, sender, recipients, subject, **session)))
        return self.delivered(subject, len(recipients))

    def delivered(self, subject, count=1):
        def copies():
            found = [message for message in self.postfix.messages()
                     if f'\nSubject: {subject}\n' in message]
            return found if len(found) >= count else None
        return servers.wait_for(f'delivery of {subject}', copies)

    def control(self, **request):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(self.folder / 'control'))
            client.sendall(json.dumps(request).encode() + b'\n')
            answer = b''
            while not answer.endswith(b'\n'):
                part = client.recv(65536)
                assert part, answer
                answer += part
        answer = json.loads(answer)
        assert answer['ok'], answer
        return answer

    def used(self, limit, key):
        """What the first window of a limit has counted."""
        entries = self.control(verb='limits', do='list', set=limit)['entries']
        values = [entry['value'] for entry in entries if entry['key'] == key]
        return int(values[0].split()[2]) if values else None

    def log_line(self, *parts):
        def line():
            return next((line for line in self.weighd.log().splitlines()
                         if all(part in line for part in parts)), None)
        return servers.wait_for(f'a log line with {parts}', line)

    # greylist

    def is_greylisted(self):
        subject = self.subject()
        answers, end = self.send('192.0.2.1', 'a@new.example', subject=subject)
        assert LATER.match(answers[0]) and end is None, answers
        number = re.search(NUMBER, answers[0])[0]
        line = self.log_line(number)
        assert 'action=greylist' in line and 'greylist=new' in line, line

    def is_too_early(self):
        first, _ = self.send('192.0.2.2', 'a@new.example', ['slow@example.org'])
        again, _ = self.send('192.0.2.2', 'a@new.example', ['slow@example.org'])
        waits = [int(LATER.match(answers[0])[1]) for answers in (first, again)]
        assert waits[0] == 3600 and 0 < waits[1] <= 3600, waits
        number = re.search(NUMBER, again[0])[0]
        assert 'greylist=early' in self.log_line(number)

    def comes_back(self):
        message = self.until_taken('192.0.2.1', 'a@new.example')[0]
        header = re.search(r'^X-Greylist: delayed (\d+) seconds by weighd at mx\.example\.org$',
                           message, re.M)
        assert header and int(header[1]) >= 1, message
        assert 'greylist=passed' in self.log_line('greylist=passed', 'a@new.example')

    def is_known_then(self):
        subject = self.subject()
        answers, end = self.send('192.0.2.1', 'a@new.example', subject=subject)
        assert is_taken(answers, end), (answers, end)
        message = self.delivered(subject)[0]
        assert 'X-Greylist' not in message and 'X-Weighd: ' in message, message

    def each_recipient_waits(self):
        three = [f'{name}@example.org' for name in ('bert', 'carla', 'dora')]
        answers, end = self.send('192.0.2.3', 'b@new.example', three)
        assert all(LATER.match(answer) for answer in answers) and end is None, answers
        for message in self.until_taken('192.0.2.3', 'b@new.example', three):
            assert len(re.findall('^X-Greylist: delayed', message, re.M)) == 1, message

    def one_of_two_is_known(self):
        """The known recipient has the mail at once, the other one waits."""
        answers, end = self.send('192.0.2.1', 'a@new.example',
                                 ['anna@example.org', 'emma@example.org'])
        assert answers[0].startswith('250') and LATER.match(answers[1]), answers
        assert end.startswith('250'), end

    def null_sender(self):
        answers, _ = self.send('192.0.2.4', '')
        assert LATER.match(answers[0]), answers
        self.until_taken('192.0.2.4', '')

    def ip6(self):
        answers, _ = self.send('2001:db8::7', 'a@six.example')
        assert LATER.match(answers[0]), answers
        self.until_taken('2001:db8::7', 'a@six.example')

    def odd_senders(self):
        """Quotes and worse, as far as Postfix lets them through, are keys like others."""
        odd = ['"a b"', '"\';drop table triplet;--"', '%s%n', '"\\"x"', '$sender', '*', '{tag}']
        clients = [(f'192.0.2.{80 + number}', f'{local}@odd.example')
                   for number, local in enumerate(odd)]
        answers = [self.send(*client)[0][0] for client in clients]
        assert all(LATER.match(answer) for answer in answers), answers
        for client in clients:
            self.until_taken(*client)

    def organisation(self):
        """A provider tries again from another network, and is the same by SPF."""
        to = ['organisation@example.org']
        answers, _ = self.send('192.0.2.65', 'news-17@big.example', to)
        assert LATER.match(answers[0]), answers
        self.until_taken('192.0.2.66', 'news-18@big.example', to)
        answers, end = self.send('198.51.100.65', 'news-19@big.example', to)
        assert is_taken(answers, end), (answers, end)
        answers, _ = self.send('203.0.113.65', 'news-19@big.example', to)
        assert LATER.match(answers[0]), answers

    def is_trusted(self):
        """After two returns a client's new mail passes at once."""
        for number in range(2):
            self.until_taken('192.0.2.5', f'{number}@trust.example')
        answers, end = self.send('192.0.2.5', 'new@trust.example')
        assert is_taken(answers, end), (answers, end)
        assert 'greylist=trusted' in self.log_line('new@trust.example')

    def survives_kill(self):
        self.send('192.0.2.6', 'a@kill.example')
        self.weighd.stop(signal.SIGKILL)
        self.weighd.start()
        answers, _ = self.send('192.0.2.2', 'a@new.example', ['slow@example.org'])
        assert 'greylist=early' in self.log_line(re.search(NUMBER, answers[0])[0])
        answers, end = self.send('192.0.2.1', 'a@new.example')
        assert is_taken(answers, end), (answers, end)
        self.until_taken('192.0.2.6', 'a@kill.example')

    # limits

    def limit_defers(self):
        """Some of a burst are deferred; what is deferred is taken a little later."""
        def burst():
            with Session(self.postfix.port, '192.0.2.20') as client:
                return [client.send('a@few.example', ['few@example.org'], self.subject())
                        for _ in range(4)]
        over = servers.wait_for('a deferral', lambda: [
            answers[0] for answers, end in burst() if end is None])
        assert re.match(rf'450 4\.7\.1 .*too much mail, limit few, try again in \d+ seconds, '
                        rf'number {NUMBER}$', over[0]), over
        line = self.log_line(re.search(NUMBER, over[0])[0])
        assert 'action=defer' in line and 'few' in line, line
        self.until_taken('192.0.2.20', 'a@few.example', ['few@example.org'])

    def another_key_is_free(self):
        answers, end = self.send('192.0.2.21', 'a@few.example', ['few@example.org'])
        assert is_taken(answers, end), (answers, end)

    def three_stages(self, sender, recipients=3, size=8000, **session):
        port = session.pop('port', self.submission)
        declared = session.pop('declared', None)
        with Session(port, '192.0.2.30', **session) as client:
            return client.send(sender, [f'r{number}@example.org' for number in range(recipients)],
                               self.subject(), size, declared)

    def message_counts_once(self):
        """Asked at RCPT thrice, at DATA and at the end: one message, three recipients."""
        assert is_taken(*self.three_stages('count@example.org'))
        assert self.used('messages', 'count@example.org') == 1
        assert self.used('recipients', 'count@example.org') == 3
        assert is_taken(*self.three_stages('count@example.org', recipients=2))
        assert self.used('messages', 'count@example.org') == 2
        assert self.used('recipients', 'count@example.org') == 5

    def size_counts_once(self):
        """What the client says at MAIL is made true at the end."""
        for sender, declared in (('silent@example.org', None), ('true@example.org', 9000),
                                 ('low@example.org', 10)):
            assert is_taken(*self.three_stages(sender, declared=declared))
            used = self.used('volume', sender)
            assert 8000 < used <= 9000, (sender, used)
        assert is_taken(*self.three_stages('low@example.org', declared=10))
        assert 16000 < self.used('volume', 'low@example.org') <= 18000

    def asked_at_the_end_alone(self):
        assert is_taken(*self.three_stages('late@example.org', port=self.late))
        assert self.used('messages', 'late@example.org') == 1
        assert self.used('recipients', 'late@example.org') == 3
        assert 8000 < self.used('volume', 'late@example.org') <= 9000

    def volume_ends(self):
        """Too large for what is left: deferred at the end of DATA; smaller mail goes on."""
        answers, end = self.three_stages('large@example.org', size=200000)
        assert answers[0].startswith('250') and end.startswith('450 4.7.1'), (answers, end)
        assert 'limit volume' in end, end
        answers, end = self.three_stages('large@example.org', size=200000, declared=210000)
        assert answers[0].startswith('450 4.7.1') and end is None, (answers, end)
        assert is_taken(*self.three_stages('large@example.org'))

    def user_reaches_his_limit(self):
        sender = 'anna@example.org'
        for _ in range(2):
            assert is_taken(*self.three_stages(sender, user='anna'))
        answers, end = self.three_stages(sender, user='anna')
        assert all('limit user' in answer for answer in answers) and end is None, answers
        assert self.used('user', 'anna') == 2
        assert is_taken(*self.three_stages(sender, user='bert'))
        assert is_taken(*self.three_stages(sender))
        assert self.control(verb='limits', do='reset', set='user', key='anna')['found']
        assert is_taken(*self.three_stages(sender, user='anna'))

    def stolen_password(self):
        answers = [self.send(f'198.51.{place}.1', 'bert@example.org', port=self.submission,
                             user='bert')[0][0] for place in range(3)]
        assert not any('too many places' in answer for answer in answers[:1]), answers
        assert all(answer.startswith('550 5.7.1') and 'too many places' in answer
                   for answer in answers[1:]), answers

    # remember

    def partners(self):
        """Who our users write to is not delayed."""
        with Session(self.submission, '127.0.0.9', user='anna') as client:
            client.begin('partner.of@example.org')
            client.recipient('friend@example.org')
        answers, end = self.send('203.0.113.20', 'friend@example.org', ['partner.of@example.org'])
        assert is_taken(answers, end), (answers, end)
        answers, _ = self.send('203.0.113.20', 'stranger@example.org', ['partner.of@example.org'])
        assert LATER.match(answers[0]), answers

    def honeypot(self):
        bad, good = '203.0.113.30', '203.0.113.31'
        answers, _ = self.send(bad, 'a@spam.example', ['trap@example.org'])
        assert LATER.match(answers[0]), answers     # the trap says nothing
        for sender in ('a@spam.example', 'b@other.example'):
            answers, _ = self.send(bad, sender)
            assert re.match(rf'550 5\.7\.1 .*writes to traps, number {NUMBER}', answers[0]), answers
        answers, _ = self.send(good, 'a@spam.example')
        assert LATER.match(answers[0]), answers

    def honeypot_survives(self):
        self.weighd.stop(signal.SIGTERM)
        self.weighd.start()
        answers, _ = self.send('203.0.113.30', 'c@other.example')
        assert 'writes to traps' in answers[0], answers
        self.control(verb='known', do='remove', set='honeypot', key='203.0.113.30')
        answers, _ = self.send('203.0.113.30', 'c@other.example')
        assert LATER.match(answers[0]), answers

    def helo_names(self):
        """The fourth name of one address is refused, the three that are known are not."""
        address = '203.0.113.40'
        answers = [self.send(address, 'a@helo.example', helo=f'{name}.example')[0][0]
                   for name in ('one', 'two', 'ONE', 'three', 'four', 'five', 'two')]
        is_refused = ['too many HELO names' in answer for answer in answers]
        assert is_refused == [False, False, False, False, True, True, False], answers

    # notices

    def notice(self):
        """Once over, once in the window: the mail says how far."""
        program = self.postfix.folder / 'sendmail'
        program.write_text(f'''#!/bin/sh
export MAIL_CONFIG={self.postfix.folder}/config LD_LIBRARY_PATH={servers.library_path()}
exec {servers.find('sendmail')} "$@"
''')
        program.chmod(0o755)
        with open(self.postfix.folder / 'config' / 'main.cf', 'a') as main:
            main.write('export_environment = TZ MAIL_CONFIG LANG LD_LIBRARY_PATH\n')
        self.world.make(RootWeighd, 'weighd-notices', self.program, NOTICES.format(
            port=self.ports['notices'], sendmail=program))
        with Session(self.busy, '192.0.2.50') as client:
            ends = [client.send('busy@example.org', ['anna@example.org'], self.subject())[1]
                    for _ in range(5)]
        assert [end is not None for end in ends] == [True, True, False, False, False], ends
        message = self.delivered('weighd: limit busy is reached')[0]
        for part in ('\nTo: postmaster@example.org\n', '3 of 2 messages in 1h',
                     '192.0.2.50 busy@example.org'):
            assert part in message, message
        assert len(self.delivered('weighd: limit busy is reached')) == 1

    def nothing_failed(self):
        """Through all of it the store has always answered."""
        figures = self.control(verb='store', do='figures')['store']
        assert figures['failures'] == 0, figures
        assert 'unknown=' not in self.weighd.log() or \
            not re.search(r'unknown="?[^ ]*(greylist|limit)', self.weighd.log())


TESTS = [
    ('greylist: a new sender is deferred at RCPT', Scenarios.is_greylisted),
    ('greylist: back too early is deferred, with the seconds left', Scenarios.is_too_early),
    ('greylist: back in time is delivered with X-Greylist', Scenarios.comes_back),
    ('greylist: then it passes at once', Scenarios.is_known_then),
    ('greylist: several recipients, the header once', Scenarios.each_recipient_waits),
    ('greylist: one of two recipients is known', Scenarios.one_of_two_is_known),
    ('greylist: the null sender', Scenarios.null_sender),
    ('greylist: IPv6', Scenarios.ip6),
    ('greylist: senders with quotes, blanks and wild cards', Scenarios.odd_senders),
    ('greylist: a provider that retries from elsewhere is the same', Scenarios.organisation),
    ('greylist: who has come back twice is trusted', Scenarios.is_trusted),
    ('greylist: what was told survives kill -9', Scenarios.survives_kill),
    ('limit: reached is deferred, later it is taken', Scenarios.limit_defers),
    ('limit: another client is free', Scenarios.another_key_is_free),
    ('limit: a message and its recipients are counted once', Scenarios.message_counts_once),
    ('limit: a size is counted once, and truly', Scenarios.size_counts_once),
    ('limit: asked at END-OF-MESSAGE alone', Scenarios.asked_at_the_end_alone),
    ('limit: too much volume is deferred at the end of DATA', Scenarios.volume_ends),
    ('limit: of a SASL user, and reset', Scenarios.user_reaches_his_limit),
    ('limit: one user in too many places', Scenarios.stolen_password),
    ('remember: who our users write to', Scenarios.partners),
    ('remember: a honeypot', Scenarios.honeypot),
    ('remember: the honeypot survives a restart, and can be emptied',
     Scenarios.honeypot_survives),
    ('limit: HELO names of one address', Scenarios.helo_names),
    ("limit: the notice comes by Postfix's sendmail", Scenarios.notice),
    ('the store has always answered', Scenarios.nothing_failed),
]


if __name__ == '__main__':
    sys.exit(scenarios.main(TESTS, Scenarios))
