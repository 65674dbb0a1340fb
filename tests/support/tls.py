"""TLS as bytes: a client's side over a socket whose every packet is ours to send, cut or hold back."""
import ssl

from support.certificates import fingerprint


class Truncated(AssertionError):
    """The TCP end came without close_notify."""


class Alert(AssertionError):
    """The server refused the handshake; `reason` in OpenSSL's words ("TLSV1_UNRECOGNIZED_NAME")."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def client_context(authority=None, minimum=None, maximum=None, ciphers=None, alpn=()):
    """`authority`: None trusts everybody. `ciphers`: of TLS 1.2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0x80)  # a truncation is no end
    if authority is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context.load_verify_locations(authority.file)
    context.minimum_version = minimum or ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = maximum or ssl.TLSVersion.MAXIMUM_SUPPORTED
    context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


class TlsSocket:
    """Stands where a connected socket would: recv, sendall, close and so on are of plain bytes."""

    def __init__(self, sock, name, context, session=None):
        self.raw = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname=name, session=session)
        self.ended_in_order = False

    def handshake(self, hold_last=False, pieces=None):
        """`hold_last`: our last flight stays in taken(), to travel with what is written next.
        `pieces`: sends that many bytes at a time."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush(pieces)
                self._feed()
            except ssl.SSLError as error:
                if error.reason == "UNEXPECTED_EOF_WHILE_READING":
                    raise Truncated("in the handshake") from error
                self.flush()
                raise Alert(error.reason) from error
        if not hold_last:
            self.flush(pieces)
        return self

    def _feed(self):
        data = self.raw.recv(65536)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def taken(self):
        """What is to be sent."""
        return self._out.read()

    def flush(self, pieces=None):
        data = self.taken()
        step = pieces or len(data) or 1
        for at in range(0, len(data), step):
            self.raw.sendall(data[at:at + step])

    def put(self, data):
        """Into records, without sending."""
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view):]

    def sendall(self, data):
        self.put(data)
        self.flush()

    def recv(self, size):
        while True:
            try:
                data = self.tls.read(size)
                self.ended_in_order = self.ended_in_order or not data
                return data
            except ssl.SSLWantReadError:
                self.flush()
                self._feed()
            except ssl.SSLError as error:
                if error.reason != "UNEXPECTED_EOF_WHILE_READING":
                    raise
                raise Truncated("no close_notify") from error

    def close_notify(self):
        """Says that nothing follows; waits for nothing."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def shown(self):
        """The fingerprint of the server's certificate."""
        return fingerprint(self.tls.getpeercert(binary_form=True))

    def close(self):
        self.raw.close()

    def fileno(self):
        return self.raw.fileno()

    def settimeout(self, seconds):
        self.raw.settimeout(seconds)

    def setsockopt(self, *arguments):
        self.raw.setsockopt(*arguments)

    def shutdown(self, how):
        """TCP's: no close_notify."""
        self.raw.shutdown(how)


class ServerTlsSocket(TlsSocket):
    """The same at the server's end."""

    def __init__(self, sock, context, early=b""):  # pylint: disable=super-init-not-called
        self.raw = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._in.write(early)  # what was read of it already
        self.tls = context.wrap_bio(self._in, self._out, server_side=True)
        self.ended_in_order = False

    def getpeername(self):
        return self.raw.getpeername()


ANYBODY = client_context()


def over_tls(name, context=ANYBODY, session=None, **options):
    """The `tls` of a Connection or a WebSocket: wraps its socket and shakes hands."""
    def wrap(sock):
        try:
            return TlsSocket(sock, name, context, session).handshake(**options)
        except BaseException:
            sock.close()
            raise
    return wrap
