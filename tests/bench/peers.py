"""The proxies that scripts/bench compares, each set up well: one worker on one core, no access log, connections
to the backend kept, hours of patience. All get the same routes; what is not installed is left out.
"""
import base64
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import namedtuple

from support import manifests
from support.toyou import children
from support.wire import fetch

Route = namedtuple("Route", "host path backend")  # backend: a port on loopback
HOURS = "24h"


class Failed(RuntimeError):
    """A measurement that does not count; the message says why."""


def process_tree(pid):
    found = [pid]
    for one in found:
        try:
            found += children(one)
        except OSError:
            pass
    return [one for one in found if os.path.exists("/proc/%d" % one)]


def program_of(pid):
    return os.path.basename(os.readlink("/proc/%d/exe" % pid))


def memory_kib(pids, fields=("Pss_Anon:", "Pss_Shmem:")):
    """Private and shared memory without file pages: their share falls when another process maps the same library."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith(fields))
        except OSError:
            pass
    return total


def answer(port, host, path):
    """(status, name of the backend) of one GET on a new connection; (0, "") where there is none."""
    try:
        response = fetch(port, path, host=host, headers=[("Connection", "close")])
        return response.status, response.headers.get("X-Backend", "")
    except (OSError, EOFError, AssertionError):
        return 0, ""


def free_port():
    """Below those that the kernel gives to outgoing connections, of which there will be thousands."""
    while True:
        port = random.randint(15000, 32000)
        try:
            with socket.create_server(("127.0.0.1", port), reuse_port=False):
                return port
        except OSError:
            pass


def write(path, text):
    with open(path + ".part", "w", encoding="ascii") as file:
        file.write(text)
    os.replace(path + ".part", path)


class Peer:
    """Owned by a Bench; start() and stop() may be called again and again."""

    name = program = ""
    version_flags = ("--version",)
    environment = {}
    has_routes = True
    usual = True  # compared unless others are named

    def __init__(self, bench):
        self.bench, self.processes, self.routes = bench, [], []
        self.folder = os.path.join(bench.folder, self.name)
        os.makedirs(self.folder, exist_ok=True)

    @classmethod
    def binary(cls):
        """$NAME_BIN (a program), else from PATH and where Debian puts servers. None: not installed."""
        given = os.environ.get(cls.name.upper() + "_BIN")
        return given or shutil.which(cls.program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

    @classmethod
    def version(cls):
        done = subprocess.run([cls.binary(), *cls.version_flags], capture_output=True, text=True, check=False, timeout=30)
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        return lines[0] if lines else "?"

    # What each peer says: files for self.routes, the commands, and how a new configuration comes into force.
    def configure(self):
        pass

    def commands(self):
        raise NotImplementedError

    def reload(self):
        pass

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, routes):
        """Seconds until the last route answers."""
        self.routes = list(routes)
        self.http, self.https, self.admin = free_port(), free_port(), free_port()
        self.configure()
        began = time.monotonic()
        with open(self.path("log"), "wb") as log:
            for command in self.commands():
                self.processes.append(subprocess.Popen(
                    ["taskset", "-c", str(self.bench.proxy_core), *command], stdout=log, stderr=log, cwd=self.folder,
                    stdin=subprocess.DEVNULL, env={**os.environ, **self.environment}))
        try:
            self.await_answer(self.routes[-1], 60)
        except BaseException:
            self.stop()
            raise
        return time.monotonic() - began

    def await_answer(self, route, seconds):
        """Seconds until the route leads to its backend."""
        began = time.monotonic()
        while answer(self.http, route.host, route.path) != (200, self.bench.names[route.backend]):
            if any(process.poll() is not None for process in self.processes):
                raise Failed("%s has ended: %s" % (self.name, self.last_words()))
            if time.monotonic() - began > seconds:
                raise Failed("%s: %s%s does not answer within %d s: %s" % (
                    self.name, route.host, route.path, seconds, self.last_words()))
            time.sleep(0.002)
        return time.monotonic() - began

    def last_words(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as file:
            return " / ".join(file.read().strip().splitlines()[-3:]) or "it said nothing"

    def apply(self, routes):
        self.routes = list(routes)
        self.configure()
        self.reload()

    def pids(self):
        return [pid for process in self.processes for pid in process_tree(process.pid)]

    def memory(self):
        return memory_kib(self.pids())

    def carrier(self):
        """Process ids of what carries traffic, without what only prepares its configuration."""
        return self.pids()

    def last_load(self):
        """Seconds that what carries traffic took for its newest configuration; None: it does not say."""
        return None

    def stop(self):
        everyone = self.pids()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in everyone:  # workers that still drain
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.processes = []


class Floor(Peer):
    """bench_relay: one for plain text, one for TLS. It knows one backend."""

    name, program, has_routes = "floor", "bench_relay", False

    @classmethod
    def binary(cls):
        from support.toyou import program
        return program("bench_relay")

    @classmethod
    def version(cls):
        return "epoll, recv and send, nothing parsed"

    def commands(self):
        backend = ["--backend", str(self.routes[-1].backend)]
        return [[self.binary(), "--port", str(self.http), *backend],
                [self.binary(), "--port", str(self.https), *backend, "--tls-certificate", self.bench.certificate,
                 "--tls-key", self.bench.key]]


class Toyou(Peer):
    """`toyou local`: supervisor, controller and dataplane are all counted. Everything that it does by default is on."""

    name, program, workers = "toyou", "toyou", 1

    @classmethod
    def binary(cls):
        from support.toyou import program
        return program("toyou")

    def configure(self):
        with open(self.bench.certificate, "rb") as chain, open(self.bench.key, "rb") as key:
            data = {name: base64.b64encode(file.read()).decode() for name, file in (("tls.crt", chain), ("tls.key", key))}
        folder = manifests.Folder(self.path("manifests"))
        common = [manifests.ingress_class(), {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
                                              "metadata": {"name": "tls", "namespace": "default"}, "data": data}]
        for backend in self.bench.names:
            common += manifests.service("b%d" % backend, [("127.0.0.1", backend)])
        self.write(folder, "common.json", common)
        # A file for each hundred routes, as people have them: a change rewrites one of them.
        files = {"routes-%05d.json" % first: range(first, min(first + 100, len(self.routes)))
                 for first in range(0, len(self.routes), 100)}
        for name, numbers in files.items():
            self.write(folder, name, [self.ingress("r%d" % number, self.routes[number]) for number in numbers])
        for name in set(os.listdir(folder.path)) - set(files) - {"common.json"}:
            folder.remove(name)  # of more routes, before

    @staticmethod
    def write(folder, name, objects):
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        path = os.path.join(folder.path, name)
        if not os.path.exists(path) or open(path, encoding="ascii").read() != text:
            folder.write(name, text)

    @staticmethod
    def ingress(name, route):
        made = manifests.ingress(name, route.host, "b%d" % route.backend, path=route.path)
        made["spec"]["tls"] = [{"hosts": [route.host], "secretName": "tls"}]
        return made

    def carrier(self):
        return [pid for pid in self.pids() if program_of(pid) == "toyou-dataplane"]

    def last_load(self):
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.admin, timeout=10) as answered:
            text = answered.read().decode()
        return float(re.search(r"^toyou_snapshot_load_seconds ([0-9.e-]+)$", text, re.MULTILINE).group(1))

    def commands(self):
        return [[self.binary(), "local", self.path("manifests"), "--workers", str(self.workers), "--http-port", str(self.http),
                 "--https-port", str(self.https), "--admin-port", str(self.admin)]]


class Toyou2(Toyou):
    """On the same one core: what workers cost that share it."""
    name, workers, usual = "toyou-2", 2, False


class Toyou4(Toyou):
    name, workers, usual = "toyou-4", 4, False


class Nginx(Peer):
    name, program, version_flags = "nginx", "nginx", ("-v",)

    def configure(self):
        lines = ["""
worker_processes 1; daemon off; pid %(dir)s/pid; error_log %(dir)s/error.log error;
worker_rlimit_nofile 20000; worker_shutdown_timeout %(hours)s;
events { worker_connections 19900; multi_accept on; }
http {
  access_log off; server_tokens off; tcp_nodelay on;
  client_body_temp_path %(dir)s/t1; proxy_temp_path %(dir)s/t2; fastcgi_temp_path %(dir)s/t3;
  uwsgi_temp_path %(dir)s/t4; scgi_temp_path %(dir)s/t5;
  keepalive_timeout %(hours)s; keepalive_requests 1000000000;
  server_names_hash_max_size 65536; server_names_hash_bucket_size 128;
  proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $to_backend; proxy_read_timeout %(hours)s; proxy_send_timeout %(hours)s;
  proxy_buffering off; proxy_buffer_size 16k; proxy_buffers 8 16k; proxy_busy_buffers_size 16k;
  ssl_protocols TLSv1.3; ssl_certificate %(chain)s; ssl_certificate_key %(key)s; ssl_session_cache shared:bench:20m;
  map $http_upgrade $to_backend { default upgrade; '' ''; }
""" % {"dir": self.folder, "hours": HOURS, "chain": self.bench.certificate, "key": self.bench.key}]
        for backend in self.bench.names:
            lines.append("upstream b%d { server 127.0.0.1:%d; keepalive 512; keepalive_requests 1000000000; "
                         "keepalive_timeout %s; }" % (backend, backend, HOURS))
        by_host = {}
        for route in self.routes:
            by_host.setdefault(route.host, []).append(route)
        for number, (host, routes) in enumerate(by_host.items()):
            more = " backlog=4096 default_server" if number == 0 else ""
            lines.append("server { listen 127.0.0.1:%d%s; listen 127.0.0.1:%d ssl%s; server_name %s;" % (
                self.http, more, self.https, more, host))
            lines += ["location %s { proxy_pass http://b%d; }" % (route.path, route.backend) for route in routes]
            lines.append("}")
        write(self.path("nginx.conf"), "\n".join([*lines, "}\n"]))

    def commands(self):
        return [[self.binary(), "-p", self.folder, "-c", self.path("nginx.conf")]]

    def reload(self):
        os.kill(self.processes[0].pid, signal.SIGHUP)


class Haproxy(Peer):
    """Routes are a map; a new one comes through the runtime API, which is how people avoid reloads."""

    name, program, version_flags = "haproxy", "haproxy", ("-v",)

    def configure(self):
        with open(self.bench.certificate, encoding="ascii") as chain, open(self.bench.key, encoding="ascii") as key:
            write(self.path("tls.pem"), chain.read() + key.read())
        write(self.path("routes.map"), "".join("%s%s b%d\n" % route for route in self.routes))
        backends = "".join("backend b%d\n  server s 127.0.0.1:%d pool-max-conn 2048\n" % (one, one)
                           for one in self.bench.names)
        write(self.path("haproxy.cfg"), """
global
  nbthread 1
  maxconn 9900
  stats socket %(dir)s/admin level admin
  ssl-default-bind-options ssl-min-ver TLSv1.3
  tune.ssl.cachesize 20000
defaults
  mode http
  timeout connect 5s
  timeout http-request 10s
  timeout http-keep-alive %(hours)s
  timeout client %(hours)s
  timeout server %(hours)s
  timeout tunnel %(hours)s
  http-reuse always
  # Without it an event waits up to 200 ms for a next one that would fill a packet with it.
  option http-no-delay
frontend bench
  bind 127.0.0.1:%(http)d backlog 4096
  bind 127.0.0.1:%(https)d ssl crt %(dir)s/tls.pem backlog 4096
  use_backend %%[base,map_beg(%(dir)s/routes.map)]
""" % {"dir": self.folder, "hours": HOURS, "http": self.http, "https": self.https} + backends)

    def commands(self):
        return [[self.binary(), "-W", "-f", self.path("haproxy.cfg")]]

    def apply(self, routes):
        for route in routes:
            if route not in self.routes:
                with socket.socket(socket.AF_UNIX) as admin:
                    admin.settimeout(10)
                    admin.connect(self.path("admin"))
                    admin.sendall(("add map %s %s%s b%d\n" % (self.path("routes.map"), *route)).encode())
                    while admin.recv(65536):
                        pass
        self.routes = list(routes)


class Envoy(Peer):
    """Routes come from a file (RDS)."""

    name, program = "envoy", "envoy"

    def listener(self, port, tls):
        types = "type.googleapis.com/envoy.extensions."
        manager = {
            "@type": types + "filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bench", "codec_type": "HTTP1", "generate_request_id": False, "stream_idle_timeout": "0s",
            "request_timeout": "0s", "common_http_protocol_options": {"idle_timeout": "86400s"},
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "rds": {"route_config_name": "bench", "config_source": {
                "resource_api_version": "V3", "path_config_source": {"path": self.path("rds.json")}}},
            "http_filters": [{"name": "router", "typed_config": {
                "@type": types + "filters.http.router.v3.Router", "suppress_envoy_headers": True, "dynamic_stats": False}}]}
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        if tls:
            chain["transport_socket"] = {"name": "tls", "typed_config": {
                "@type": types + "transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": {
                    "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
                    "tls_certificates": [{"certificate_chain": {"filename": self.bench.certificate},
                                          "private_key": {"filename": self.bench.key}}]}}}
        return {"name": "tls" if tls else "plain", "tcp_backlog_size": 4096, "filter_chains": [chain],
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}

    def configure(self):
        by_host = {}
        for route in self.routes:
            by_host.setdefault(route.host, []).append(route)
        hosts = [{"name": host, "domains": [host, host + ":*"], "routes": [
            {"match": {"prefix": route.path}, "route": {"cluster": "b%d" % route.backend, "timeout": "0s"}}
            for route in sorted(routes, key=lambda route: -len(route.path))]} for host, routes in by_host.items()]
        write(self.path("rds.json"), json.dumps({"version_info": str(time.time_ns()), "resources": [{
            "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "bench",
            "virtual_hosts": hosts}]}))
        most = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), 1000000)
        clusters = [{"name": "b%d" % port, "type": "STATIC", "connect_timeout": "5s",
                     "circuit_breakers": {"thresholds": [most]},
                     "load_assignment": {"cluster_name": "b%d" % port, "endpoints": [{"lb_endpoints": [{"endpoint": {
                         "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}]}]}}
                    for port in self.bench.names]
        if not self.processes:
            write(self.path("envoy.json"), json.dumps({
                "node": {"id": "bench", "cluster": "bench"}, "static_resources": {
                    "clusters": clusters, "listeners": [self.listener(self.http, False), self.listener(self.https, True)]}}))

    def commands(self):
        return [[self.binary(), "-c", self.path("envoy.json"), "--concurrency", "1", "--disable-hot-restart",
                 "--log-level", "error"]]


class Traefik(Peer):
    name, program, version_flags, environment = "traefik", "traefik", ("version",), {"GOMAXPROCS": "1"}

    def configure(self):
        os.makedirs(self.path("dynamic"), exist_ok=True)
        entry = {"transport": {"respondingTimeouts": {"readTimeout": "0s", "writeTimeout": "0s", "idleTimeout": HOURS}}}
        write(self.path("traefik.yml"), json.dumps({  # JSON is YAML
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False}, "log": {"level": "ERROR"},
            "entryPoints": {"web": {"address": "127.0.0.1:%d" % self.http, **entry},
                            "websecure": {"address": "127.0.0.1:%d" % self.https, "http": {"tls": {}}, **entry}},
            "serversTransport": {"maxIdleConnsPerHost": 512, "forwardingTimeouts": {"idleConnTimeout": HOURS}},
            "providers": {"providersThrottleDuration": "100ms", "file": {"directory": self.path("dynamic"), "watch": True}}}))
        services = {"b%d" % port: {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:%d" % port}],
                                                   "responseForwarding": {"flushInterval": "1ms"}}}
                    for port in self.bench.names}
        routers = {"r%d" % number: {"rule": "Host(`%s`) && PathPrefix(`%s`)" % (route.host, route.path),
                                    "service": "b%d" % route.backend, "entryPoints": ["web", "websecure"]}
                   for number, route in enumerate(self.routes)}
        shown = {"certFile": self.bench.certificate, "keyFile": self.bench.key}
        write(self.path("dynamic/routes.yml"), json.dumps({
            "http": {"routers": routers, "services": services},
            "tls": {"certificates": [shown], "stores": {"default": {"defaultCertificate": shown}},
                    "options": {"default": {"minVersion": "VersionTLS13"}}}}))

    def commands(self):
        return [[self.binary(), "--configFile=" + self.path("traefik.yml")]]


class Caddy(Peer):
    name, program, version_flags, environment = "caddy", "caddy", ("version",), {"GOMAXPROCS": "1"}

    def configure(self):
        self.environment = {**self.environment, **dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), self.folder)}
        by_host = {}
        for route in self.routes:
            by_host.setdefault(route.host, []).append(route)

        def proxy(route):
            match = {} if route.path == "/" else {"match": [{"path": [route.path.rstrip("/") + "/*", route.path]}]}
            return {**match, "terminal": True, "handle": [{
                "handler": "reverse_proxy", "upstreams": [{"dial": "127.0.0.1:%d" % route.backend}], "flush_interval": -1,
                "stream_close_delay": HOURS, "transport": {
                    "protocol": "http", "keep_alive": {"max_idle_conns_per_host": 512, "idle_timeout": HOURS}}}]}
        routes = [{"match": [{"host": [host]}], "terminal": True, "handle": [{
            "handler": "subroute", "routes": [proxy(one) for one in sorted(some, key=lambda route: -len(route.path))]}]}
            for host, some in by_host.items()]
        common = {"automatic_https": {"disable": True}, "routes": routes, "idle_timeout": HOURS, "protocols": ["h1"]}
        write(self.path("caddy.json"), json.dumps({
            "admin": {"listen": "127.0.0.1:%d" % self.admin, "config": {"persist": False}},
            "logging": {"logs": {"default": {"level": "ERROR"}}},
            "apps": {"http": {"servers": {
                "plain": {"listen": ["127.0.0.1:%d" % self.http], **common},
                "tls": {"listen": ["127.0.0.1:%d" % self.https],
                        "tls_connection_policies": [{"protocol_min": "tls1.3"}], **common}}},
                "tls": {"certificates": {"load_files": [{"certificate": self.bench.certificate, "key": self.bench.key}]}}}}))

    def commands(self):
        return [[self.binary(), "run", "--config", self.path("caddy.json")]]

    def reload(self):
        with open(self.path("caddy.json"), "rb") as file:
            response = fetch(self.admin, "/load", method="POST", host="127.0.0.1:%d" % self.admin, body=file.read(),
                             headers=[("Content-Type", "application/json"), ("Connection", "close")])
        if response.status != 200:
            raise Failed("caddy: %d %s" % (response.status, response.text[:200]))


PEERS = {peer.name: peer for peer in (Floor, Toyou, Toyou2, Toyou4, Nginx, Haproxy, Envoy, Traefik, Caddy)}


def installed(names):
    """Those of `names` that are there; says which are not."""
    found = []
    for name in names:
        if PEERS[name].binary() and os.access(PEERS[name].binary(), os.X_OK):
            found.append(name)
        else:
            print("bench: %s is not installed, left out" % name, file=sys.stderr)
    return found
