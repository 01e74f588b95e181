"""An SMTP client that says, by Postfix's XCLIENT, whose client it is."""

import smtplib


class Client:
    """One session as the client of the given address, name and HELO."""

    def __init__(self, port, address, name, helo):
        self.smtp = smtplib.SMTP('127.0.0.1', port, local_hostname=helo, timeout=60)
        self.smtp.ehlo(helo)
        shown = 'IPV6:' + address if ':' in address else address
        self.expect(220, 'XCLIENT', f'ADDR={shown} NAME={name}')
        self.expect(250, 'EHLO', helo)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.smtp.quit()
        except (smtplib.SMTPException, OSError):
            self.smtp.close()

    def expect(self, code, *command):
        got, text = self.smtp.docmd(*command)
        if got != code:
            raise AssertionError(f'{" ".join(command)}: {got} {text.decode()}, not {code}')

    def recipient(self, recipient):
        """What RCPT is answered: "250 2.1.5 Ok"."""
        code, text = self.smtp.rcpt(recipient)
        return f'{code} {text.decode()}'

    def begin(self, sender):
        self.expect(250, f'MAIL FROM:<{sender}>')

    def data(self, subject):
        """Send a small message; what the end of DATA is answered."""
        code, text = self.smtp.data(f'Subject: {subject}\r\n\r\nHello.\r\n')
        return f'{code} {text.decode()}'
