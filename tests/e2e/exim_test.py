"""A real Exim asks weighd: with greylistd's words, and with Postfix's protocol.

Exim's ACLs are those that are shipped, conf/exim.  WEIGHD and WEIGHCTL name the programs; each
scenario is one test point of TAP.
"""

import os
import re
import shutil
import smtplib
import socket
import sys

import exim
import scenarios
import servers

CONFIG = '''
listen   "unix:{folder}/greylistd" mode 0666 greylistd policy greylistd
listen   inet:127.0.0.1:{port} policy inbound
control  {folder}/control
store    sqlite "{folder}/state.db"
resolver 127.0.0.1:{nowhere}
deadline 4s
mode     enforce
log      stderr

policy greylistd {{
    greylist for 1s within 8h remember 60d by client_address, sender, recipient no trust no header
}}

policy inbound {{
    reject "5.7.1 not from there, number $id" if sender = "spammer@example.net"
    discard if sender = "void@example.net"
    limit much by sender 2/2s if sender = "much@example.net"
    pass if sender = "much@example.net"
    greylist for 1s within 8h remember 60d by client_network, sender, recipient no trust
    prepend "X-Weighd: $id"
}}
'''

NOTICES = '''
listen   inet:127.0.0.1:{port} policy submission
store    memory
mode     enforce
log      stderr
sendmail "{sendmail}"

policy submission {{
    limit user-hour by sasl_username 1/1h notify "postmaster@example.org"
}}
'''


class Client:
    """A session as the client of an address in 127.0.0.0/8."""

    def __init__(self, port, address='127.0.0.2'):
        self.smtp = smtplib.SMTP('127.0.0.1', port, local_hostname='client.example.net',
                                 timeout=60, source_address=(address, 0))
        self.smtp.ehlo()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.smtp.quit()
        except (smtplib.SMTPException, OSError):
            self.smtp.close()

    def send(self, sender, recipients, subject):
        """The answers to each RCPT, and to the end of DATA or None."""
        self.smtp.docmd(f'MAIL FROM:<{sender}>')
        answers = ['{} {}'.format(code, text.decode())
                   for code, text in (self.smtp.rcpt(recipient) for recipient in recipients)]
        if not any(answer.startswith('250') for answer in answers):
            self.smtp.rset()
            return answers, None
        code, text = self.smtp.data(f'Subject: {subject}\r\n\r\nHello.\r\n')
        return answers, f'{code} {text.decode()}'


def is_taken(answers, end):
    return all(answer.startswith('250') for answer in answers) and (end or '').startswith('250')


class RootWeighd(servers.Weighd):
    """Run by root, whose sendmail needs no other rights."""

    def __init__(self, folder, program, config):
        super().__init__(folder, program, config)
        os.chown(folder, 0, 0)

    def start(self):
        self.start_process([self.program, '--config', self.config, '--workers', '1'])
        self.wait_until('listens', lambda: servers.accepts(self.port))


class Scenarios:
    """All scenarios of one world, in the order in which they are run."""

    def __init__(self, world):
        self.world = world
        self.bin = world.folder / 'bin'
        self.bin.mkdir()
        for variable in ('WEIGHD', 'WEIGHCTL'):
            shutil.copy2(os.environ[variable], self.bin / variable.lower())
        self.subjects = 0
        folder = world.folder / 'weighd'
        self.socket = folder / 'greylistd'
        self.port = servers.free_port()
        self.weighd = world.make(servers.Weighd, 'weighd', self.bin / 'weighd',
                                 CONFIG.format(folder=folder, port=self.port,
                                               nowhere=servers.free_port()))
        self.exim = world.make(exim.Exim, 'exim', self.socket, self.port)

    def subject(self):
        self.subjects += 1
        return f'message {self.subjects}'

    def ask(self, words, half_close=True):
        """greylistd's client: the whole answer."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(self.socket))
            client.sendall(words.encode())
            if half_close:
                client.shutdown(socket.SHUT_WR)
            answer = b''
            while part := client.recv(65536):
                answer += part
            return answer.decode()

    def send(self, port, sender, recipients=('anna@example.org',), subject='hello', **more):
        with Client(port, **more) as client:
            return client.send(sender, recipients, subject)

    def until_taken(self, port, sender, recipients=('anna@example.org',), **more):
        """Try again, as a mail server does, until the mail is taken; then it is delivered."""
        subject = self.subject()
        servers.wait_for(f'mail from <{sender}> is taken',
                         lambda: is_taken(*self.send(port, sender, recipients, subject, **more)))
        return servers.wait_for(f'delivery of {subject}', lambda: next(
            (message for message in self.exim.messages() if f'Subject: {subject}\n' in message),
            None))

    # in greylistd's words

    def deferred(self):
        answers, end = self.send(self.exim.greylistd_port, 'a@example.net')
        assert answers == ['451 greylisted, please try again later'] and end is None, answers
        assert 'greylisted.' in self.exim.log()
        assert self.ask('status 127.0.0.2 a@example.net anna@example.org') == 'grey'

    def comes_back(self):
        self.until_taken(self.exim.greylistd_port, 'a@example.net')
        assert self.ask('status 127.0.0.2 a@example.net anna@example.org') == 'white'
        answers, end = self.send(self.exim.greylistd_port, 'a@example.net')
        assert is_taken(answers, end), (answers, end)

    def is_in_the_log(self):
        lines = [line for line in self.weighd.log().splitlines() if 'sender="a@example.net"' in line]
        assert 'action=greylist' in lines[0] and 'greylist=new' in lines[0], lines[0]
        assert any('greylist=passed' in line for line in lines), lines

    def empty_sender_waits_at_data(self):
        answers, end = self.send(self.exim.greylistd_port, '')
        assert answers[0].startswith('250'), answers
        assert end == '451 greylisted, please try again later', end
        self.until_taken(self.exim.greylistd_port, '')
        assert self.ask('status 127.0.0.2 anna@example.org') == 'white'

    def empty_sender_with_recipients(self):
        three = [f'{name}@example.org' for name in ('anna', 'bert', 'carla')]
        answers, end = self.send(self.exim.greylistd_port, '', three)
        assert all(answer.startswith('250') for answer in answers), answers
        assert end.startswith('451'), end
        self.until_taken(self.exim.greylistd_port, '', three)

    def blacklisted(self):
        data = '127.0.0.3 b@example.net anna@example.org'
        assert self.ask(f'add --black {data}') == 'Added to blacklist'
        answers, end = self.send(self.exim.greylistd_port, 'b@example.net', address='127.0.0.3')
        assert answers == ['550 blacklisted'] and end is None, answers
        assert self.ask(f'delete {data}') == 'Removed from blacklist'

    def whitelisted(self):
        assert self.ask('add 127.0.0.4 c@example.net anna@example.org') == 'Added to whitelist'
        answers, end = self.send(self.exim.greylistd_port, 'c@example.net', address='127.0.0.4')
        assert is_taken(answers, end), (answers, end)

    def unknown_recipient_is_not_greylisted(self):
        answers, _ = self.send(self.exim.greylistd_port, 'a@example.net', ['anna@example.com'])
        assert answers[0].startswith('250'), answers
        assert self.ask('status 127.0.0.2 a@example.net anna@example.com') == 'unseen'

    def half_close(self):
        for is_half in (True, False):
            assert self.ask('check --grey 192.0.2.1 x@y z@w', is_half) == 'true'

    def survives_a_restart(self):
        self.weighd.stop()
        self.weighd.start()
        assert self.ask('status 127.0.0.2 a@example.net anna@example.org') == 'white'
        assert '127.0.0.2 a@example.net anna@example.org' in self.ask('list --white')

    # in Postfix's protocol

    def policy_deferred(self):
        answers, end = self.send(self.exim.policy_port, 'd@example.net')
        assert re.match(r'451 4\.7\.1 greylisted, try again in 1 seconds, number '
                        r'[0-9A-Z]{4}-[0-9A-Z]{4}$', answers[0]), answers
        assert end is None

    def policy_comes_back(self):
        message = self.until_taken(self.exim.policy_port, 'd@example.net')
        headers = re.findall(r'^X-Greylist: delayed \d+ seconds', message, re.M)
        assert len(headers) == 1, message

    def policy_header_once(self):
        two = ['anna@example.org', 'bert@example.org']
        message = self.until_taken(self.exim.policy_port, 'e@example.net', two)
        assert len(re.findall(r'^X-(Greylist|Weighd): ', message, re.M)) == 1, message

    def policy_rejected(self):
        answers, end = self.send(self.exim.policy_port, 'spammer@example.net')
        assert re.match(r'550 5\.7\.1 not from there, number ', answers[0]), answers
        assert end is None

    def policy_empty_sender(self):
        answers, end = self.send(self.exim.policy_port, '')
        assert answers[0].startswith('250'), answers
        assert end.startswith('451 4.7.1 greylisted'), end
        self.until_taken(self.exim.policy_port, '')

    def policy_discarded(self):
        answers, _ = self.send(self.exim.policy_port, 'void@example.net', subject='discarded')
        assert answers[0].startswith('250'), answers
        assert not any('Subject: discarded\n' in message for message in self.exim.messages())

    def policy_limit(self):
        """Two pass, then one is deferred; when their time is over the next one passes."""
        def burst():
            return [self.send(self.exim.policy_port, 'much@example.net') for _ in range(6)]

        def is_over():
            sent = burst()
            return sent if not is_taken(*sent[-1]) and is_taken(*sent[0]) else None

        sent = servers.wait_for('a burst within one period', is_over)
        refused = [answers[0] for answers, end in sent if end is None]
        assert all(re.match(r'45\d 4\.7\.1 too much mail, limit much, try again in \d seconds, '
                            r'number ', answer) for answer in refused), refused
        self.until_taken(self.exim.policy_port, 'much@example.net')

    def policy_half_close(self):
        with socket.create_connection(('127.0.0.1', self.port), 30) as client:
            client.sendall(b'request=smtpd_access_policy\nsender=spammer@example.net\n\n')
            client.shutdown(socket.SHUT_WR)
            answer = b''
            while part := client.recv(4096):
                answer += part
        assert answer.startswith(b'action=REJECT 5.7.1') or answer.startswith(b'action=550'), answer

    # without weighd

    def goes_on_without(self):
        self.weighd.stop()
        for port in (self.exim.greylistd_port, self.exim.policy_port):
            answers, end = self.send(port, 'f@example.net')
            assert is_taken(answers, end), (answers, end)
        self.weighd.start()
        self.deferred_again()

    def deferred_again(self):
        for port in (self.exim.greylistd_port, self.exim.policy_port):
            answers, _ = self.send(port, 'g@example.net')
            assert answers[0].startswith('451'), answers

    # notices

    def notice(self, name, sendmail, messages):
        """A limit is passed twice in its window: one notice comes; the mail."""
        port, folder = servers.free_port(), self.world.folder / name
        self.world.make(RootWeighd, name, self.bin / 'weighd',
                        NOTICES.format(folder=folder, port=port, sendmail=sendmail))
        for number in range(3):
            with socket.create_connection(('127.0.0.1', port), 30) as client:
                client.sendall(b'request=smtpd_access_policy\nprotocol_state=RCPT\n'
                               b'sasl_username=anna\nsender=a@b\nrecipient=c@d\n'
                               b'instance=%d\n\n' % number)
                answer = client.recv(4096)
            assert answer.startswith(b'action=450' if number else b'action=DUNNO'), answer
        message = servers.wait_for('the notice', lambda: next(
            (message for message in messages()
             if '\nSubject: weighd: limit user-hour is reached\n' in message), None))
        assert 'Auto-Submitted: auto-generated' in message, message
        assert re.search(r'key +anna$', message, re.M), message
        assert re.search('^Return-path: <>$', message, re.M | re.I), message
        assert message.count('2 of 1 messages in 1h') == 1, message

    def notice_by_exim(self):
        self.notice('notices-exim', self.exim.folder / 'sendmail', self.exim.messages)

    def notice_by_postfix(self):
        postfix = self.world.make(servers.Postfix, 'postfix', 'inet:127.0.0.1:9',
                                  'pickup unix n - n 60 1 pickup\n')
        with open(postfix.folder / 'config' / 'main.cf', 'a') as main:
            main.write('export_environment = TZ MAIL_CONFIG LANG LD_LIBRARY_PATH\n')
        program = postfix.folder / 'sendmail'
        program.write_text(f'''#!/bin/sh
export MAIL_CONFIG={postfix.folder}/config LD_LIBRARY_PATH={servers.library_path()}
exec {servers.find('sendmail')} "$@"
''')
        program.chmod(0o755)
        self.notice('notices-postfix', program, postfix.messages)


TESTS = [
    ('greylistd: a new sender is deferred', Scenarios.deferred),
    ('greylistd: it comes back and passes', Scenarios.comes_back),
    ('greylistd: each decision is in the log', Scenarios.is_in_the_log),
    ('greylistd: the empty sender waits at DATA', Scenarios.empty_sender_waits_at_data),
    ('greylistd: the empty sender, several recipients', Scenarios.empty_sender_with_recipients),
    ('greylistd: who was added to the blacklist is refused', Scenarios.blacklisted),
    ('greylistd: who was added to the whitelist passes at once', Scenarios.whitelisted),
    ('greylistd: another domain is none of ours', Scenarios.unknown_recipient_is_not_greylisted),
    ('greylistd: a client that half-closes is answered', Scenarios.half_close),
    ('greylistd: what is known survives a restart', Scenarios.survives_a_restart),
    ('policy: a new sender is deferred with our text', Scenarios.policy_deferred),
    ('policy: it comes back, passes, and has the header', Scenarios.policy_comes_back),
    ('policy: several recipients, the header once', Scenarios.policy_header_once),
    ('policy: a refusal with our text', Scenarios.policy_rejected),
    ('policy: the empty sender waits at DATA', Scenarios.policy_empty_sender),
    ('policy: discarded', Scenarios.policy_discarded),
    ('policy: over a limit it is deferred, then it passes again', Scenarios.policy_limit),
    ('policy: a client that half-closes is answered', Scenarios.policy_half_close),
    ('mail goes on without weighd', Scenarios.goes_on_without),
    ("a limit's notice is mailed by Exim's sendmail", Scenarios.notice_by_exim),
    ("a limit's notice is mailed by Postfix's sendmail", Scenarios.notice_by_postfix),
]


if __name__ == '__main__':
    sys.exit(scenarios.main(TESTS, Scenarios))
