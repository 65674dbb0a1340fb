"""Backends that speak TLS: any handler of `backends`, behind a handshake.

    with Backend(secured(serve_json("b"), server_context(authority.issue("b.internal")))) as backend: ...

The handler's Peer then has `tls`: what the proxy asked for and showed. When the handler returns, TLS ends
in order, unless `truncates`.
"""
import collections
import os
import ssl
import tempfile

from support.tls import Alert, ServerTlsSocket, Truncated
from support.wire import Stream

Seen = collections.namedtuple("Seen", "server_name resumed certificate protocol")


def server_context(certificate, clients=None, maximum=None):
    """`clients`: the authority of certificates that the proxy must show; None: it is not asked for one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.sni_callback = lambda tls, name, _context: setattr(tls, "asked_for", name)
    if maximum:
        context.maximum_version = maximum
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.file)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pem")
        with open(path, "w", encoding="ascii") as file:
            file.write(certificate.chain + certificate.key)
        context.load_cert_chain(path)
    return context


def secured(handler, context, truncates=False):
    """`context`: an SSLContext of server_context(), or a function that gives one for each connection."""
    def serve(peer):
        early = peer.stream.take(len(peer.stream.buffer))
        sock = ServerTlsSocket(peer.sock, context() if callable(context) else context, early)
        try:
            sock.handshake()
        except (Alert, Truncated) as error:
            peer.backend.refusals.append(str(error))
            raise EOFError from error
        peer.sock, peer.stream = sock, Stream(sock)
        peer.tls = Seen(getattr(sock.tls, "asked_for", None), sock.tls.session_reused, sock.tls.getpeercert(),
                        sock.tls.selected_alpn_protocol())
        peer.backend.handshakes.append(peer.tls)
        try:
            handler(peer)
        except Truncated as error:
            raise EOFError from error
        if not truncates:
            sock.close_notify()
    return serve
