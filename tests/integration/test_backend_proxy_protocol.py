"""The PROXY protocol towards backends: who the client is, said in front of TLS, and to nobody else's connection."""
import itertools
import os
import shutil
import socket
import subprocess

import pytest

from support import manifests
from support.backends import Backend, closed_port, echo_websocket, serve_json
from support.proxy_protocol import behind, introduced, line
from support.tls_backends import secured, server_context
from support.wait import eventually
from support.websocket import WebSocket
from support.wire import Connection, fetch

HOST = "a.tls.test"
V2 = {"backendProxyProtocol": "V2"}


@pytest.fixture
def make(world):
    """make(handler, *flags): a dataplane whose one route introduces clients to a backend with this handler."""
    backends = []

    def maker(handler, *flags, introduces=True, **route):
        backends.append(Backend(introduced(handler) if introduces else handler))
        made = world()
        made.route("a", HOST, backends[-1], **V2, **route)
        made.start(*flags)
        made.backend = backends[-1]
        return made

    yield maker
    for backend in backends:
        backend.close()


def test_the_client_and_where_it_connected_to(make):
    place = make(serve_json("b"))
    with Connection(place.http, source="127.0.0.9") as connection:
        assert connection.ask(host=HOST).status == 200
        client = connection.sock.getsockname()
    assert place.backend.introductions == [(client, ("127.0.0.1", place.http))]


def test_no_connection_serves_two_clients(make):
    """... nor two requests of one: what a header says holds for one."""
    place = make(serve_json("b"))
    ports = []
    for _ in range(3):
        with Connection(place.http) as connection:
            ports += [connection.sock.getsockname()[1]] * 2
            assert connection.ask(host=HOST).status == connection.ask(host=HOST).status == 200
    assert [client[1] for client, _ in place.backend.introductions] == ports
    assert len(place.backend.requests) == 6


def test_a_websocket(make):
    place = make(echo_websocket)
    with WebSocket(place.http, host=HOST, source="127.0.0.7") as ws:
        assert ws.echo("hello") == "hello"
        assert place.backend.introductions[0][0] == ws.sock.getsockname()


def test_the_client_behind_proxies(make):
    """A PROXY header in front of us: address and port are its own. X-Forwarded-For: the address alone."""
    place = make(serve_json("b"), "--proxy-protocol", "optional", "--proxy-protocol-from", "127.0.0.1",
                 "--trusted-proxies", "127.0.0.0/8")
    with Connection(place.http, tls=behind(line("203.0.113.7", 4711))) as connection:
        assert connection.ask(host=HOST).status == 200
    assert fetch(place.http, host=HOST, headers={"X-Forwarded-For": "198.51.100.1, 2001:db8::9"}).status == 200
    assert fetch(place.http, host=HOST, headers={"X-Forwarded-For": "what, ever"}).status == 200
    clients = [client for client, _ in place.backend.introductions]
    assert clients[:2] == [("203.0.113.7", 4711), ("2001:db8::9", 0)]
    assert place.backend.introductions[1][1] == ("::ffff:7f00:1", place.http), "the mapped address of ours"
    assert clients[2][0] == "127.0.0.1" and clients[2][1] != 0


def test_before_tls(gateway, authority):
    name = "introduced%d" % os.getpid()
    handler = introduced(secured(serve_json("b"), server_context(authority.issue("any.test"))))
    with Backend(handler) as backend:
        services = manifests.service(name, [(backend.address, backend.port)])
        services[0]["spec"]["ports"][0]["appProtocol"] = "https"
        ingress = manifests.ingress(name, name + ".test", name)
        ingress["metadata"]["annotations"] = {"toyou.dev/backend-proxy-protocol": "v2"}
        gateway.folder.write(name + ".yaml", [*services, ingress])
        try:
            eventually(lambda: fetch(gateway.http, host=name + ".test").status == 200)
            assert backend.introductions[-1][0][0] == "127.0.0.1"
            assert backend.handshakes[-1].server_name == name + ".default.svc"
        finally:
            gateway.folder.remove(name + ".yaml")


def test_a_backend_that_expects_none(make):
    """It sees no HTTP: nothing of the request is taken for something else."""
    place = make(lambda peer: peer.sock.recv(16) and None, introduces=False)
    assert fetch(place.http, host=HOST).status == 502


# --- other people's receivers --------------------------------------------------------------------

HAPROXY = """
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend f
  bind 127.0.0.1:%(plain)d accept-proxy
  bind 127.0.0.1:%(tls)d accept-proxy ssl crt %(pem)s
  http-request return status 200 content-type text/plain lf-string "%%[src] %%[src_port] %%[dst] %%[dst_port]"
"""
NGINX = """
daemon off; master_process off; pid %(folder)s/pid; error_log stderr;
events {}
http {
  access_log off; client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
  uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  server {
    listen 127.0.0.1:%(plain)d proxy_protocol;
    listen 127.0.0.1:%(tls)d proxy_protocol ssl;
    ssl_certificate %(pem)s; ssl_certificate_key %(pem)s;
    location / { return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port"; }
  }
}
"""
RECEIVERS = {"haproxy": (HAPROXY, ["haproxy", "-db", "-f"]), "nginx": (NGINX, ["nginx", "-p", "/", "-c"])}
numbers = itertools.count(1)


@pytest.fixture(params=RECEIVERS)
def receiver(request, tmp_path, authority):
    """The ports at which a server of somebody else's expects a header: plain, and in front of TLS."""
    template, argv = RECEIVERS[request.param]
    path = shutil.which(argv[0], path=os.environ["PATH"] + ":/usr/sbin")
    if path is None:
        pytest.skip(argv[0] + " is not installed")
    made = authority.issue("any.test")
    values = {"plain": closed_port(), "tls": closed_port(), "pem": tmp_path / "pem", "folder": tmp_path}
    values["pem"].write_text(made.chain + made.key)
    (tmp_path / "conf").write_text(template % values)
    with subprocess.Popen([path, *argv[1:], str(tmp_path / "conf")], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: listens(values["plain"]))
            yield values
        finally:
            process.kill()


def listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("port", ["plain", "tls"])
def test_a_receiver_understands(gateway, receiver, port):
    name = "receiver%d-%d" % (os.getpid(), next(numbers))
    services = manifests.service(name, [("127.0.0.1", receiver[port])])
    if port == "tls":
        services[0]["spec"]["ports"][0]["appProtocol"] = "https"
    gateway.folder.write(name + ".yaml", [*services, manifests.websocket_route(name, name + ".test", name, **V2)])
    try:
        eventually(lambda: fetch(gateway.http, host=name + ".test").status == 200)
        with Connection(gateway.http, source="127.0.0.33") as connection:
            said = connection.ask(host=name + ".test").text
            client = connection.sock.getsockname()
        assert said == "%s %d 127.0.0.1 %d" % (*client, gateway.http)
    finally:
        gateway.folder.remove(name + ".yaml")
