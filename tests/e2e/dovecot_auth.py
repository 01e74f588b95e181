"""Who knows the users' passwords: what Postfix asks with smtpd_sasl_type = dovecot.

Source: Dovecot's authentication protocol, version 1, for clients; mechanism PLAIN alone.
"""

import base64
import os
import socketserver
import threading

GREETING = ('VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\n'
            'COOKIE\t00000000000000000000000000000001\nDONE\n')


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(GREETING.encode())
        for line in self.rfile:
            words = line.decode().rstrip('\n').split('\t')
            if words[0] == 'AUTH':
                self.wfile.write(self.judge(words[1], words[3:]).encode())

    def judge(self, number, parameters):
        response = next((word[5:] for word in parameters if word.startswith('resp=')), '')
        _, user, password = base64.b64decode(response).decode().split('\0')
        if self.server.users.get(user) == password:
            return f'OK\t{number}\tuser={user}\n'
        return f'FAIL\t{number}\tuser={user}\n'


class Server(socketserver.ThreadingUnixStreamServer):
    """Answers in threads of its own until close()."""

    daemon_threads = True

    def __init__(self, path, users):
        super().__init__(str(path), Handler)
        self.path = path
        self.users = users
        os.chmod(path, 0o666)
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.shutdown()
        self.server_close()
        self.thread.join()
