#!/usr/bin/env python3
"""Every setting that the five old daemons document, given to `weighctl import DAEMON --explain`: none
is unknown, each is kept, changed or dropped, and what is not kept says why.

The tables below are lists of what is documented, with a value that nobody has by default; they do
not know what the importers know.
"""

import json
import sys

import sequences
from sequences import run

POSTGREY = {
    '--inet': '127.0.0.1:10024', '-i': '10024', '--unix': '/run/pg', '-u': '/run/pg',
    '--socketmode': '0660', '--listen-queue-size': '5', '--daemonize': None, '-d': None,
    '--pidfile': '/run/pg.pid', '--user': 'nobody', '--group': 'nogroup', '--dbdir': '/var/lib/pg',
    '--delay': '60', '--max-age': '7', '--retry-window': '5h', '--greylist-action': 'DEFER',
    '--greylist-text': 'later', '--x-greylist-header': 'X-Grey: %t', '--hostname': 'mx.example',
    '--lookup-by-subnet': None, '--ipv4cidr': '32', '--ipv6cidr': '128', '--lookup-by-host': None,
    '--auto-whitelist-clients': '3', '--whitelist-clients': '/etc/clients',
    '--whitelist-recipients': '/etc/recipients', '--privacy': None, '--exim': None,
    '--syslog-facility': 'daemon', '--syslogfacility': 'daemon', '--facility': 'daemon',
    '--verbose': None, '-v': None, '--quiet': None, '-q': None, '--help': None, '--man': None,
    '--version': None}
SHORT = {'-i': '--inet', '-u': '--unix', '-d': '--daemonize', '-v': '--verbose', '-q': '--quiet',
         '--syslog-facility': '--syslogfacility', '--facility': '--syslogfacility'}
GREYLISTD = {
    'timeouts': {'retryMin': '60', 'retryMax': '3600', 'expire': '86400'},
    'socket': {'path': '/run/gd', 'owner': 'root:root', 'mode': '0600'},
    'data': {'update': '60', 'statefile': '/s', 'tripletfile': '/t', 'savetriplets': 'false',
             'singlecheck': 'true', 'singleupdate': 'true'}}
GLD = {
    'PORT': '2526', 'LOOPBACKONLY': '0', 'CLIENTS': '192.0.2.0/24', 'USER': 'u', 'GROUP': 'g',
    'MAXCON': '50', 'MINTIME': '30', 'LIGHTGREY': '1', 'MXGREY': '3', 'WHITELIST': '0',
    'DNSWL': 'list.example', 'ERRACCEPT': '0', 'SYSLOG': '0', 'FACILITY': 'local1',
    'MESSAGE': 'Come again', 'TRAINING': '1', 'SQLHOST': 'db', 'SQLUSER': 'u', 'SQLPASSWD': 'hidden',
    'SQLDB': 'd'}
POLICYD = {
    'MYSQLHOST': 'db', 'MYSQLDBASE': 'd', 'MYSQLUSER': 'u', 'MYSQLPASS': 'hidden',
    'MYSQLOPT': 'CLIENT_SSL', 'MYSQLPORT': '3307', 'FAILSAFE': '0', 'DATABASE_KEEPALIVE': '1',
    'DEBUG': '0', 'DAEMON': '1', 'BINDHOST': '127.0.0.2', 'BINDPORT': '10032', 'PIDFILE': '/p',
    'SYSLOG_FACILITY': 'LOG_LOCAL1', 'CHROOT': '/c', 'UID': '1', 'GID': '1',
    'CONN_ACL': '127.0.0.1', 'WHITELISTING': '0', 'WHITELISTNULL': '1', 'WHITELISTSENDER': '1',
    'WHITELISTDNSNAME': '1', 'AUTO_WHITE_LISTING': '1', 'AUTO_WHITELIST_NUMBER': '5',
    'AUTO_WHITELIST_NETBLOCK': '1', 'AUTO_WHITELIST_EXPIRE': '1d', 'BLACKLISTING': '1',
    'BLACKLISTDNSNAME': '1', 'BLACKLISTSENDER': '1', 'BLACKLIST_TEMP_REJECT': '0',
    'BLACKLIST_NETBLOCK': '1', 'BLACKLIST_REJECTION': 'no', 'AUTO_BLACK_LISTING': '1',
    'AUTO_BLACKLIST_NUMBER': '5', 'AUTO_BLACKLIST_EXPIRE': '1d', 'BLACKLIST_HELO': '1',
    'BLACKLIST_HELO_AUTO_EXPIRE': '1d', 'HELO_CHECK': '1', 'HELO_MAX_COUNT': '5',
    'HELO_BLACKLIST_AUTO_EXPIRE': '1d', 'HELO_AUTO_EXPIRE': '1d', 'SPAMTRAPPING': '1',
    'SPAMTRAP_REJECTION': 'no', 'SPAMTRAP_AUTO_EXPIRE': '1d', 'GREYLISTING': '0',
    'GREYLIST_REJECTION': 'no', 'GREYLIST_X_HEADER': '1', 'GREYLIST_HOSTADDR': '4',
    'TRAINING_MODE': '1', 'TRAINING_POLICY_TIMEOUT': '1d', 'TRIPLET_TIME': '5m', 'OPTINOUT': '1',
    'OPTINOUTALL': '1', 'TRIPLET_AUTH_TIMEOUT': '1d', 'TRIPLET_UNAUTH_TIMEOUT': '1d',
    'SENDERTHROTTLE': '1', 'SENDER_THROTTLE_SASL': '1', 'SENDER_THROTTLE_HOST': '0',
    'SENDER_THROTTLE_ENVELOPE': '1', 'QUOTA_EXCEEDED_TEMP_REJECT': '0',
    'SENDER_QUOTA_REJECTION': 'no', 'SENDER_SIZE_REJECTION': 'no', 'SENDERMSGLIMIT': '5',
    'SENDERRCPTLIMIT': '5', 'SENDERQUOTALIMIT': '5', 'SENDERTIMELIMIT': '1d', 'SENDERMSGSIZE': '5',
    'SENDERMSGSIZE_WARN': '5', 'SENDERMSGSIZE_PANIC': '5', 'SENDER_INACTIVE_EXPIRE': '1d',
    'SENDER_THROTTLE_AUTOBLACKLIST': '1', 'SENDER_THROTTLE_AUTOBLACKLIST_NUMBER': '5',
    'SENDER_THROTTLE_AUTOBLACKLIST_EXPIRE': '1d', 'RECIPIENTTHROTTLE': '1',
    'RECIPIENTMSGLIMIT': '5', 'RECIPIENTTIMELIMIT': '1d', 'RECIPIENT_QUOTA_REJECTION': 'no',
    'RECIPIENT_INACTIVE_EXPIRE': '1d', 'RCPT_ACL': '1'}
RATE_LIMIT = {
    'debug': False, 'user': 'u', 'group': 'g', 'pidfile': '/p', 'backend': 1,
    'sqlite_config': {'database': '/d'}, 'mysql_config': {'passwd': 'hidden'},
    'pgsql_config': {'password': 'hidden'}, 'SOCKET': ['127.0.0.1', 8552],
    'socket_permission': 0o660, 'limits': [[5, 60]], 'limits_by_id': {'joe': [[1, 60]]},
    'limit_by_sasl': False, 'limit_by_sender': True, 'limit_by_ip': True,
    'limited_networks': ['192.0.2.0/24'], 'success_action': 'permit', 'fail_action': 'reject no',
    'db_error_action': 'defer', 'report': True, 'report_from': 'a@x.example',
    'report_to': ['b@x.example'], 'report_subject': 's', 'report_limits': [60],
    'report_only_if_needed': False, 'smtp_server': ['mail.example', 587], 'smtp_starttls': True,
    'smtp_credentials': ['u', 'hidden'], 'delay_to_close': 60, 'sql_limits_by_id': 'SELECT 1',
    'count_mode': 2}


def explained(daemon, text):
    """{setting: (fate, rest)} of what is given; no warning, no error, no secret."""
    output, errors = run('import', daemon, '-', '--explain', '--json', text=text)
    answer = json.loads(output)
    assert answer['ok'] and answer['report'] == '', (text, answer['report'])
    assert 'hidden' not in output + errors, text
    settings = {}
    for setting in answer['settings']:
        name = setting['setting'].split(' = ')[0].split(': ')[0]
        assert setting['fate'] in ('kept', 'changed', 'dropped', 'default'), setting
        if setting['fate'] != 'default':
            settings[name] = (setting['fate'], setting['setting'])
    return settings


def check(daemon, given):
    """given: pairs of a setting's name and a file that has it alone."""
    for name, text in given:
        settings = explained(daemon, text)
        assert name in settings, f'{name} is not explained: {settings}'
        fate, words = settings[name]
        assert fate == 'kept' or ': ' in words, f'{name} is {fate}, and no word why: {words}'


def of_postgrey():
    check('postgrey', [(SHORT.get(name, name),
                        f'postgrey {name}\n' if value is None else
                        f'postgrey {name}="{value}"\n' if name.startswith('--') else
                        f'postgrey {name} {value}\n') for name, value in POSTGREY.items()])


def of_greylistd():
    check('greylistd', [(f'{section}.{key}', f'[{section}]\n{key} = {value}\n')
                        for section, keys in GREYLISTD.items() for key, value in keys.items()])


def of_pairs(daemon, pairs):
    # SENDER_THROTTLE_SASL alone would stand against a HOST that is on by default
    check(daemon, [(name, f'{name}={value}\n' + ('SENDER_THROTTLE_HOST=0\n'
                                                 if name == 'SENDER_THROTTLE_SASL' else ''))
                   for name, value in pairs.items()])


def of_rate_limit():
    check('policyd-rate-limit', [(name, json.dumps({name: value}) + '\n')
                                 for name, value in RATE_LIMIT.items()])


def main():
    tests = {'postgrey': of_postgrey, 'greylistd': of_greylistd,
             'gld': lambda: of_pairs('gld', GLD), 'policyd': lambda: of_pairs('policyd', POLICYD),
             'policyd-rate-limit': of_rate_limit}
    print(f'1..{len(tests)}')
    sys.exit(not all([sequences.run_one(number, name, test)
                      for number, (name, test) in enumerate(tests.items(), 1)]))


main()
