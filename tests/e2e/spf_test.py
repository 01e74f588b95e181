"""SPF end to end: a real Postfix asks, NSD serves the records, weighd judges.

Postfix -> weighd -> unbound -> NSD, all on loopback; the name server of one zone never answers.
Postfix asks for each recipient and at DATA.  WEIGHD names the program; each scenario is one test
point of TAP.
"""

import os
import re
import socket
import sys

import scenarios
import servers
from smtp import Client

# address, name, HELO, sender
GOOD = ('192.0.2.10', 'mail.ok.example', 'mail.ok.example', 'anna@ok.example')
BAD = ('192.0.2.66', '[UNAVAILABLE]', 'mail.ok.example', 'anna@no.example')
SOFT = ('192.0.2.66', '[UNAVAILABLE]', 'host.soft.example', 'anna@soft.example')
SILENT = ('192.0.2.10', 'mail.ok.example', 'mail.ok.example', 'anna@silent.example')
NOBODY = ('192.0.2.10', 'mail.ok.example', 'mail.ok.example', '')
ODD = ('192.0.2.10', 'mail.ok.example', 'mail.ok.example', '"a;b=c"@soft.example')

RECORDS = '''
ok.example.              TXT "v=spf1 ip4:192.0.2.10 -all"
mail.ok.example.         TXT "v=spf1 a -all"
mail.ok.example.         A   192.0.2.10
10.2.0.192.in-addr.arpa. PTR mail.ok.example.
no.example.              TXT "v=spf1 include:ok.example -all exp=why.no.example"
why.no.example.          TXT "%{i} may not send for %{o}, says %{r}"
soft.example.            TXT "v=spf1 ~all"
'''

CONFIG = '''
listen   inet:127.0.0.1:{port} policy inbound
resolver 127.0.0.1:{resolver}
deadline 3s
hostname mx.example.org
log      stderr

policy inbound {{
    weigh spf {{}} of helo as helo_spf
    weigh spf {{}}
    weigh fcrdns {{}}
    reject  "5.7.23 Message rejected due to: ${{spf.explanation}}" if spf.fail and spf.explanation
    reject  "5.7.23 Message rejected due to: SPF fail" if spf.fail or helo_spf.fail
    defer   "4.7.24 SPF has no answer" if spf.temperror
    prepend "$received_spf"
    prepend "$authentication_results"
}}
'''

RECEIVED = ('Received-SPF: pass (domain of anna@ok.example permits 192.0.2.10)'
            ' receiver=mx.example.org; client-ip=192.0.2.10; envelope-from="anna@ok.example";'
            ' helo=mail.ok.example; identity=mailfrom; mechanism="ip4:192.0.2.10"')
RESULTS = ('Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=ok.example;'
           ' spf=pass smtp.helo=mail.ok.example;'
           ' iprev=pass (mail.ok.example) policy.iprev=192.0.2.10')


class Postfix(servers.Postfix):
    """Asks at DATA, too."""

    def configure(self, policy, services):
        super().configure(policy, services)
        with open(self.folder / 'config' / 'main.cf', 'a', encoding='ascii') as main:
            main.write('smtpd_data_restrictions =\n'
                       f'    check_policy_service {{ {policy}, default_action=DUNNO }}\n')


def headers(message, name):
    """All headers of a name, each as one line."""
    head = re.sub(r'\n[ \t]+', ' ', message.split('\n\n')[0])
    return [line for line in head.split('\n') if line.startswith(name + ':')]


class Scenarios:
    """All scenarios of one world."""

    def __init__(self, world):
        self.subjects = 0
        self.silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.silent.bind(('127.0.0.1', 0))
        self.nsd = world.make(servers.Nsd, 'nsd', RECORDS)
        self.unbound = world.make(servers.Unbound, 'unbound', self.nsd.port, ['silent.example'],
                                  self.silent.getsockname()[1])
        port = servers.free_port()
        self.weighd = world.make(servers.Weighd, 'weighd', os.environ['WEIGHD'],
                                 CONFIG.format(port=port, resolver=self.unbound.port))
        self.postfix = world.make(Postfix, 'postfix', f'inet:127.0.0.1:{port}')

    def send(self, client, recipients=('anna@example.org',)):
        """One message: its subject, what each RCPT was answered, and the end of DATA or None."""
        self.subjects += 1
        subject = f'message {self.subjects}'
        address, name, helo, sender = client
        with Client(self.postfix.port, address, name, helo) as session:
            session.begin(sender)
            answers = [session.recipient(recipient) for recipient in recipients]
            is_taken = any(answer.startswith('250') for answer in answers)
            return subject, answers, session.data(subject) if is_taken else None

    def delivered(self, client, count=1):
        """The copies of one message to so many recipients."""
        recipients = [f'user{number}@example.org' for number in range(count)]
        subject, answers, end = self.send(client, recipients)
        assert all(answer.startswith('250') for answer in answers), answers
        assert end.startswith('250'), end

        def found():
            copies = [message for message in self.postfix.messages()
                      if f'\nSubject: {subject}\n' in message]
            return copies if len(copies) >= count else None
        return servers.wait_for(f'delivery of {subject}', found)

    def fail_is_refused(self):
        _, answers, end = self.send(BAD)
        wanted = ('550 5.7.23 <anna@example.org>: Recipient address rejected: Message rejected due'
                  ' to: 192.0.2.66 may not send for no.example, says mx.example.org')
        assert answers == [wanted] and end is None, (answers, end)

    def temperror_is_deferred(self):
        _, answers, end = self.send(SILENT)
        assert re.match(r'450 4\.7\.24 .*SPF has no answer$', answers[0]), answers
        assert end is None, end

    def headers_are_delivered(self):
        message = self.delivered(GOOD)[0]
        assert headers(message, 'Received-SPF') == [RECEIVED], message
        assert headers(message, 'Authentication-Results') == [RESULTS], message

    def above_the_received_header(self):
        message = self.delivered(GOOD)[0]
        assert message.index('\nReceived-SPF:') < message.index('\nReceived: from '), message

    def recipients_share_one_judgement(self):
        for message in self.delivered(GOOD, 4):
            assert headers(message, 'Received-SPF') == [RECEIVED], message
            assert headers(message, 'Authentication-Results') == [RESULTS], message

    def softfail_passes(self):
        message = self.delivered(SOFT)[0]
        assert headers(message, 'Received-SPF')[0].startswith('Received-SPF: softfail '), message

    def null_sender_is_the_helo(self):
        message = self.delivered(NOBODY)[0]
        received = headers(message, 'Received-SPF')[0]
        assert 'identity=helo' in received and 'envelope-from' not in received, message
        results = headers(message, 'Authentication-Results')[0]
        assert 'smtp.helo=mail.ok.example' in results and 'smtp.mailfrom' not in results, message

    def odd_senders_are_quoted(self):
        received = headers(self.delivered(ODD)[0], 'Received-SPF')[0]
        assert '; envelope-from="a;b=c@soft.example"; helo=' in received, received


TESTS = [
    ('a fail is refused with 5.7.23 and the explanation', Scenarios.fail_is_refused),
    ('a temperror is deferred', Scenarios.temperror_is_deferred),
    ('the delivered message has both headers', Scenarios.headers_are_delivered),
    ('they stand above Received', Scenarios.above_the_received_header),
    ('several recipients: each header once', Scenarios.recipients_share_one_judgement),
    ('a softfail passes', Scenarios.softfail_passes),
    ("a bounce is judged by its HELO name", Scenarios.null_sender_is_the_helo),
    ('an odd sender is quoted', Scenarios.odd_senders_are_quoted),
]


if __name__ == '__main__':
    sys.exit(scenarios.main(TESTS, Scenarios))
