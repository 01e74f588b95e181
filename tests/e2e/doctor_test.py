#!/usr/bin/env python3
"""weighctl doctor against Postfix's own postconf, a running weighd and name servers of any manners.

Environment: WEIGHD, WEIGHCTL, FAKEDNS, WEIGHD_SERVERS.
"""

import json
import os
import subprocess
import sys

import scenarios
import servers

WEIGHCTL = os.environ.get('WEIGHCTL', 'build/weighctl')
FAKEDNS = os.environ.get('FAKEDNS', 'build/tests/support/fakedns')

ZONE = '''
o-o.myaddr.l.google.com TXT 192.0.2.53
microsoft.com TXT x
2.0.0.127.bl.example A 127.0.0.2
'''

CONF = '''
listen inet:127.0.0.1:{port} policy inbound
listen unix:{folder}/sock/policy mode 0666 policy inbound
control {folder}/sock/control
resolver 127.0.0.1:{dns}
mode enforce
zone bl.example {{
    lists ip4
    means listed = 127.0.0.2
    refused 127.255.255.0/24
    test listed 127.0.0.2, clear 127.0.0.1
}}
policy inbound {{
    weigh dnsbl bl.example {{ listed 3 }}
    reject "5.7.1 no" if score >= 3
}}
'''

MASTER = 'smtp inet n - y - - smtpd\n'
OWN_SUBMISSION = '''submission inet n - y - - smtpd
    -o { smtpd_recipient_restrictions = permit_sasl_authenticated, reject }
'''


class Doctor:
    """A weighd, a fake name server, and a directory for Postfix's configuration."""

    def __init__(self, world):
        self.world = world
        self.folder = world.folder
        self.dns = None
        self.bin = self.folder / 'bin'
        self.postfix = self.folder / 'postfix'
        for path in (self.bin, self.postfix):
            path.mkdir()
        # The unpacked postconf wants its libraries, which weighctl does not.
        wrapper = self.bin / 'postconf'
        wrapper.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={servers.library_path()} '
                           f'exec {servers.find("postconf")} "$@"\n')
        wrapper.chmod(0o755)
        self.start_dns(ZONE)
        (self.folder / 'sock').mkdir(mode=0o755)
        if os.geteuid() == 0:
            servers.shutil.chown(self.folder / 'sock', 'nobody')
        self.weighd = world.make(servers.Weighd, 'weighd', os.environ['WEIGHD'],
                                 CONF.format(port=servers.free_port(), folder=self.folder,
                                             dns=self.port))
        self.call = f'check_policy_service {{ inet:127.0.0.1:{self.weighd.port}, ' \
                    'default_action=DUNNO }'
        self.good = f'reject_unauth_destination, {self.call}'

    def start_dns(self, zone):
        """The fake name server, always on the same port."""
        port = '0'
        if self.dns:
            self.close()
            port = str(self.port)
        (self.folder / 'zone').write_text(zone)
        self.dns = subprocess.Popen([FAKEDNS, '-p', port, self.folder / 'zone'],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.dns.stdout.readline().split()[1])

    def close(self):
        if self.dns:
            self.dns.stdin.close()
            self.dns.wait(10)
            self.dns.stdout.close()

    def main_cf(self, text, master=MASTER):
        (self.postfix / 'main.cf').write_text(
            f'compatibility_level = 3.6\nqueue_directory = {self.folder}/queue\n'
            f'inet_protocols = ipv4\n{text}\n')
        (self.postfix / 'master.cf').write_text(master)

    def run(self, *words, path=None):
        run = subprocess.run(
            [WEIGHCTL, 'doctor', '--config', self.weighd.config, '--postfix', self.postfix,
             *words], capture_output=True, timeout=30, check=False,
            env={**os.environ, 'PATH': f'{self.bin}:{os.environ["PATH"]}' if path is None else path})
        return run.returncode, run.stdout.decode(), run.stderr.decode()

    def findings(self):
        status, out, err = self.run('-j')
        report = json.loads(out)
        need = [finding for finding in report['findings'] if finding['level'] in ('WARN', 'FAIL')]
        same((status, report['ok'], report['needs'], err),
             (1 if need else 0, not need, len(need), ''), out)
        for finding in need:
            same(bool(finding.get('fix')), True, f'a fix for {finding}')
        return report['findings']

    def needs(self, subject=None):
        """What needs the administrator, as 'LEVEL text'."""
        return [f'{finding["level"]} {finding["text"]}' for finding in self.findings()
                if finding['level'] in ('WARN', 'FAIL') and subject in (None, finding['subject'])]


def same(have, want, what):
    if have != want:
        raise AssertionError(f'{what}: have {have!r}, want {want!r}')


def one(doctor, subject, start):
    """Exactly one finding of the subject needs the administrator, and begins so."""
    needs = doctor.needs(subject)
    if len(needs) != 1 or not needs[0].startswith(start):
        raise AssertionError(f'wanted one {start!r}, have {needs}')


# --- Postfix ---

def a_right_postfix_needs_nothing(doctor):
    doctor.main_cf(f'smtpd_recipient_restrictions = permit_mynetworks, {doctor.good}',
                   MASTER + OWN_SUBMISSION)
    status, out, _ = doctor.run()
    same(status, 0, out)
    lines = [line for line in out.splitlines() if not line.startswith('    ')]
    same(lines[-1], 'Nothing needs you.', 'the end')
    for number, line in enumerate(lines[:-1], 1):
        same(line.split()[0], str(number), line)
    same(doctor.needs(), [], 'needs')


def faults_of_postfix_are_found(doctor):
    port = doctor.weighd.port
    recipient = 'smtpd_recipient_restrictions = '
    cases = (
        ('', MASTER, 'FAIL Postfix: smtp does not ask weighd'),
        (f'{recipient}{doctor.call}, reject_unauth_destination', MASTER,
         'FAIL Postfix: check_policy_service stands before reject_unauth_destination'),
        (f'{recipient}reject_unauth_destination, check_policy_service inet:127.0.0.1:{port}',
         MASTER, 'WARN Postfix: the call has no default_action'),
        (f'{recipient}{doctor.good}\nsmtpd_policy_service_timeout = 3s', MASTER,
         'FAIL Postfix: waits 3 s for an answer'),
        (f'{recipient}{doctor.good}', MASTER + 'submission inet n - y - - smtpd\n',
         'WARN Postfix: submission calls weighd, too'),
        (f'{recipient}{doctor.good}', MASTER + 'policy unix - n n - 0 spawn user=nobody '
         'argv=/usr/sbin/weighd --stdio\n', 'WARN Postfix: spawn service policy is ended'),
        (f'{recipient}reject_unauth_destination, check_policy_service {{ '
         f'unix:{doctor.folder}/sock/policy, default_action=DUNNO }}', MASTER,
         'FAIL Postfix: smtp looks for the socket at '),
        (f'smtpd_client_restrictions = {doctor.call}', MASTER,
         'WARN Postfix: smtp asks weighd in smtpd_client_restrictions'),
    )
    for main_cf, master_cf, start in cases:
        doctor.main_cf(main_cf, master_cf)
        one(doctor, 'postfix', start)


def its_own_fixes_cure(doctor):
    """What the doctor says is done with the real postconf, until nothing is left."""
    port = doctor.weighd.port
    doctor.main_cf('mua = permit_sasl_authenticated\nsmtpd_recipient_restrictions =\n'
                   '    check_client_access inline:{192.0.2.1=OK, 192.0.2.2=OK},\n'
                   f'    check_policy_service inet:127.0.0.1:{port},\n'
                   '    permit_mynetworks, $mua, reject_unauth_destination\n'
                   'smtpd_policy_service_timeout = 2s',
                   MASTER + 'smtps inet n - y - - smtpd\n')
    rounds = 0
    while True:
        fixes = [finding['fix'] for finding in doctor.findings()
                 if finding['subject'] == 'postfix' and finding['level'] in ('WARN', 'FAIL')]
        if not fixes:
            break
        rounds += 1
        same(rounds <= 5, True, f'still {fixes}')
        same(fixes[0].startswith('postconf -'), True, fixes[0])
        subprocess.run(['/bin/sh', '-ec', fixes[0].replace(
            'postconf ', f'{doctor.bin}/postconf -c {doctor.postfix} ', 1)],
            check=True, timeout=30, capture_output=True)
    same(rounds >= 2, True, f'{rounds} rounds')


def unix_socket_without_chroot(doctor):
    doctor.main_cf('smtpd_recipient_restrictions = reject_unauth_destination, '
                   f'check_policy_service {{ unix:{doctor.folder}/sock/policy, '
                   'default_action=DUNNO }', 'smtp inet n - n - - smtpd\n')
    same(doctor.needs(), [], 'needs')


def no_postfix_is_no_failure(doctor):
    status, out, _ = doctor.run(path=str(doctor.folder))
    if 'postconf not found' not in out and os.access('/usr/sbin/postconf', os.X_OK):
        return
    same('note  Postfix: postconf not found' in out, True, out)
    same(status, 0, out)


def a_broken_main_cf_is_told(doctor):
    (doctor.postfix / 'main.cf').unlink()
    one(doctor, 'postfix', 'FAIL Postfix: postconf -nf cannot tell')


def a_postconf_that_hangs_is_left(doctor):
    good = (doctor.bin / 'postconf').read_text()
    (doctor.bin / 'postconf').write_text('#!/bin/sh\nexec sleep 1000\n')
    try:
        one(doctor, 'postfix', 'FAIL Postfix: postconf -nf cannot tell')
    finally:
        (doctor.bin / 'postconf').write_text(good)


# --- the DNS ---

def name_servers_are_judged(doctor):
    doctor.main_cf(f'smtpd_recipient_restrictions = {doctor.good}')
    cases = (
        ('resolver', ZONE + '* A 192.0.2.66\n', 'FAIL the resolver rewrites NXDOMAIN'),
        ('resolver', ZONE.replace('192.0.2.53', '8.8.8.8'),
         'FAIL the resolver is a public one: 8.8.8.8 (Google)'),
        ('resolver', ZONE.replace('microsoft.com TXT x', 'microsoft.com tcp-refuse'),
         'WARN large answers do not arrive'),
        ('zone', ZONE.replace('127.0.0.2\n', '127.255.255.254\n')
         + '1.0.0.127.bl.example A 127.255.255.254\n', 'FAIL bl.example refuses this host'),
        ('zone', ZONE + '1.0.0.127.bl.example A 127.0.0.2\n',
         'FAIL bl.example lists everybody'),
        ('zone', 'o-o.myaddr.l.google.com TXT 192.0.2.53\n', 'FAIL bl.example lists nothing'),
        ('zone', ZONE + '*.bl.example refused\n', 'WARN bl.example does not answer all'),
        ('zone', ZONE.replace('A 127.0.0.2', 'silent') + '1.0.0.127.bl.example silent\n',
         'WARN bl.example does not answer'),
    )
    for subject, zone, start in cases:
        doctor.start_dns(zone)
        one(doctor, subject, start)
    doctor.start_dns('* refused\n. refused\n')
    needs = doctor.needs('resolver')
    same(any('answer' in need or 'refuses' in need for need in needs), True, needs)
    doctor.close()
    doctor.dns = None
    needs = doctor.needs('resolver')
    same(needs, [f'FAIL 127.0.0.1 port {doctor.port} does not answer over UDP'], 'nobody there')


# --- the daemon ---

def strangers_text_is_escaped(doctor):
    doctor.main_cf('smtpd_recipient_restrictions = reject_unauth_destination, '
                   'check_policy_service inet:\x1b[31m:1')
    _, out, _ = doctor.run()
    same('\x1b' in out, False, 'an escape in the output')
    same('\\x1b' in out, True, 'it is shown')


def a_changed_configuration_is_seen(doctor):
    same([need for need in doctor.needs('daemon')], [], 'before')
    os.utime(doctor.weighd.config)
    one(doctor, 'daemon', 'WARN the configuration has changed')
    same(subprocess.run([WEIGHCTL, 'reload', '--control', doctor.folder / 'sock/control'],
                        check=False, capture_output=True).returncode, 0, 'reload')
    same(doctor.needs('daemon'), [], 'after')


def a_missing_daemon_is_seen(doctor):
    doctor.weighd.stop()
    one(doctor, 'daemon', 'FAIL no daemon answers at ')
    same(len(doctor.needs('socket')), 2, 'sockets')


TESTS = [(test.__name__.replace('_', ' '), test) for test in (
    a_right_postfix_needs_nothing, faults_of_postfix_are_found, its_own_fixes_cure,
    unix_socket_without_chroot, no_postfix_is_no_failure, strangers_text_is_escaped,
    a_changed_configuration_is_seen, a_broken_main_cf_is_told, a_postconf_that_hangs_is_left,
    name_servers_are_judged, a_missing_daemon_is_seen)]


if __name__ == '__main__':
    sys.exit(scenarios.main(TESTS, Doctor))
