"""A mail server on loopback that does what it is told; see 020_mail.pl.

    smtp_server.py DIR [--port N] [--cert FILE --key FILE [--smtps]] [--login USER:PASSWORD [--tls-first]]

Writes its port to DIR/port once it listens, and what happens to DIR/log, a line each. Every connection takes the first
line of DIR/script away and behaves so:

    ok               takes the mail (also without a line)
    hang-up          closes before it greets
    mute             says nothing at all
    lose-ack         takes the mail, and closes instead of saying so
    rcpt CODE TEXT   answers the recipient so
    data CODE TEXT   answers the mail so

The n-th mail taken is written to DIR/n.*: raw; attachment (decoded); and seen, lines of what a reader of mail makes of
it. Decoding is Python's own, which shares nothing with what composed the mail.
"""

import argparse
import asyncio
import email
import email.policy
import os
import re
import socket
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Box:
    def __init__(self, path):
        self.path = path
        self.count = 0
        while os.path.exists(self.file("raw", self.count + 1)):
            self.count += 1

    def file(self, kind, number):
        return os.path.join(self.path, f"{number}.{kind}")

    def log(self, line):
        with open(os.path.join(self.path, "log"), "a") as log:
            log.write(line + "\n")

    def next_behaviour(self):
        script = os.path.join(self.path, "script")
        try:
            with open(script) as lines:
                first, *rest = lines.read().splitlines() or ["ok"]
        except FileNotFoundError:
            return "ok"
        with open(script + ".new", "w") as lines:
            lines.writelines(line + "\n" for line in rest)
        os.rename(script + ".new", script)
        return first

    def take(self, envelope):
        self.count += 1
        raw = envelope.original_content
        message = email.message_from_bytes(raw, policy=email.policy.default)
        body, attachment = message.iter_parts()
        with open(self.file("raw", self.count), "wb") as out:
            out.write(raw)
        with open(self.file("attachment", self.count), "wb") as out:
            out.write(attachment.get_payload(decode=True))
        lines = raw.split(b"\r\n")
        seen = {
            "envelope": f"{envelope.mail_from} -> {', '.join(envelope.rcpt_tos)}",
            "headers": " ".join(message.keys()),
            "from": f"{message['From'].addresses[0].display_name} / {message['From'].addresses[0].addr_spec}",
            "to": message["To"],
            "subject": message["Subject"],
            "id": message["Message-ID"].strip(),
            "date": message["Date"].datetime.isoformat(),
            "body type": body.get_content_type(),
            "file type": attachment.get_content_type(),
            "file name": attachment.get_filename(),
            "defects": len(message.defects) + sum(len(part.defects) for part in message.walk())
            + sum(len(value.defects) for value in message.values()),
            "longest line": max(len(line) for line in lines),
            "bare line ends": len(re.findall(rb"\r(?!\n)|(?<!\r)\n", raw)),
            "not ASCII": len(re.findall(rb"[^\r\n -~]", raw)),
        }
        with open(self.file("seen", self.count), "w") as out:
            out.writelines(f"{name}: {value}\n" for name, value in seen.items())
        with open(self.file("body", self.count), "w", newline="") as out:
            out.write(body.get_payload(decode=True).decode("utf-8"))
        self.log("taken")


class Session(SMTP):
    def __init__(self, box, **options):
        self.box = box
        self.behaviour = box.next_behaviour()
        super().__init__(self, **options)

    def connection_made(self, transport):
        if self.behaviour == "hang-up":
            self.box.log("hung up")
            transport.close()
            return
        if self.behaviour == "mute":
            self.box.log("mute")
            return
        super().connection_made(transport)

    def data_received(self, data):
        if self.behaviour != "mute":
            super().data_received(data)

    def connection_lost(self, error):
        if self.behaviour not in ("mute", "hang-up"):
            super().connection_lost(error)

    def eof_received(self):
        return super().eof_received() if self.behaviour not in ("mute", "hang-up") else None

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.behaviour.startswith("rcpt "):
            self.box.log(self.behaviour)
            return self.behaviour[5:]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.behaviour.startswith("data "):
            self.box.log(self.behaviour)
            return self.behaviour[5:]
        if session.ssl is not None:
            self.box.log("over TLS")
        self.box.take(envelope)
        if self.behaviour == "lose-ack":
            self.box.log("acknowledgement lost")
            self.transport.abort()
        return "250 taken"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--smtps", action="store_true")
    parser.add_argument("--login")
    parser.add_argument("--tls-first", action="store_true")
    args = parser.parse_args()

    box = Box(args.dir)
    context = None
    if args.cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(args.cert, args.key)

    def authenticate(server, session, envelope, mechanism, data):
        given = f"{data.login.decode()}:{data.password.decode()}"
        box.log("logged in" if given == args.login else "wrong login")
        # not handled: aiosmtpd says so itself
        return AuthResult(success=given == args.login, handled=False)

    options = {"hostname": "localhost", "loop": None, "enable_SMTPUTF8": False, "data_size_limit": None}
    if args.login:
        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=args.tls_first)
    if context and not args.smtps:
        options.update(tls_context=context)

    async def serve():
        options["loop"] = asyncio.get_running_loop()
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # beside the socket that keeps the port for this server
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", args.port))
        server = await asyncio.get_running_loop().create_server(
            lambda: Session(box, **options), sock=listener, ssl=context if args.smtps else None)
        with open(os.path.join(args.dir, "port.new"), "w") as out:
            out.write(str(listener.getsockname()[1]))
        os.rename(os.path.join(args.dir, "port.new"), os.path.join(args.dir, "port"))
        await server.serve_forever()

    asyncio.run(serve())


if __name__ == "__main__":
    sys.exit(main())
