"""What users of a cluster see of rollouts, failures and upgrades. One release, in the order of this file."""
import contextlib
import os
import re
import shlex
import statistics
import subprocess
import time

from node_rig import ADDRESS, CHART, DRAIN, LONG, NODE
from support import manifests
from support.certificates import Authority
from support.toyou import TOP
from support.wait import eventually

SOCKETS = 200


def test_it_serves(node, release):
    assert '"X-Forwarded-For": "198.18.0.2"' in node.fetch()  # the client's own address: externalTrafficPolicy Local
    ingress = node.get("-n", "toyou-demo", "ingress", "demo")
    assert ingress["status"]["loadBalancer"]["ingress"][0]["ip"] == ADDRESS
    node.kubectl("-n", "toyou-demo", "wait", "--for=condition=Programmed", "wsr/chat", "--timeout=60s")
    said = node.helm("test", release, "-n", "toyou", "--logs")
    for check in ("ready", "http", "websocket", "events"):
        assert "ok      " + check in said, said
    assert leftovers(node) == []


def leftovers(node):
    """What a helm test has left."""
    return node.kubectl("get", "pod,service,ingress", "-A", "-l", "app.kubernetes.io/name=toyou-test", "-o", "name").split()


def test_a_helm_test_that_fails_cleans_up_too(node, release):
    """Nothing behind the Service: `helm test` fails and says what."""
    node.kubectl("-n", "toyou", "patch", "service", "toyou", "--type=merge", "-p", '{"spec":{"selector":{"app.kubernetes.io/name":"nobody"}}}')
    try:
        said = node.run("helm", "test", release, "-n", "toyou", "--logs", check=False)
        assert "failed  http" in said, said
        assert leftovers(node) == []
    finally:
        node.kubectl("-n", "toyou", "patch", "service", "toyou", "--type=merge", "-p",
                     '{"spec":{"selector":{"app.kubernetes.io/name":"toyou"}}}')
    node.serves()


def test_tls_with_the_certificate_of_a_secret(node, load, tmp_path):
    """HTTPS, WebSockets and events over TLS, through the Service, from outside."""
    authority = Authority(tmp_path)
    certificate = authority.issue("demo.example.com")
    node.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "demo-tls", "namespace": "toyou-demo"},
                "type": "kubernetes.io/tls", "stringData": {"tls.crt": certificate.chain, "tls.key": certificate.key}})
    node.kubectl("-n", "toyou-demo", "patch", "ingress", "demo", "--type=merge", "-p",
                 '{"spec":{"tls":[{"hosts":["demo.example.com"],"secretName":"demo-tls"}]}}')
    asks = ["client", "curl", "-sS", "--cacert", authority.file, "--resolve", "demo.example.com:443:" + ADDRESS,
            "https://demo.example.com/api/hello"]
    eventually(lambda: '"X-Forwarded-Proto": "https"' in node.run(*asks, check=False), LONG, every=0.2)
    clients = load("--ca", authority.file)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0 and seen["ends"] == {"open": SOCKETS}
    node.kubectl("-n", "toyou-demo", "patch", "ingress", "demo", "--type=merge", "-p", '{"spec":{"tls":null}}')


# Said of the commands that stand in the documents and are not run here: another test does it, or they have no end.
ELSEWHERE = re.compile(r"apply|annotate|delete|port-forward|rollout restart|label|--previous|certificate,|^kubectl describe|grep|^kubectl get wsr$")


def documented():
    """The kubectl commands of the documents, in code blocks and within sentences."""
    for name in ("README.md", "docs/install.md", "docs/upgrade.md", "docs/monitoring.md", "docs/alerts.md", "charts/toyou/README.md"):
        with open(os.path.join(TOP, name), encoding="utf-8") as file:
            text = file.read()
        for command in re.findall(r"^ {4}(kubectl .*)$", text, re.MULTILINE) + re.findall(r"`(kubectl [^`]*)`", text):
            yield " ".join(command.split())


def test_commands_of_the_documents(node, release):
    del release
    pod = node.pods()[0]["metadata"]["name"]
    ran = [command for command in sorted(set(documented())) if not ELSEWHERE.search(command)]
    assert len(ran) >= 10, ran
    for command in ran:
        words = command.replace("POD", pod).replace("NAMESPACE", "toyou-demo").replace("SERVICE", "demo").split()
        assert node.kubectl(*words[1:]).strip(), command


@contextlib.contextmanager
def forwarded(pod, port):
    """What `kubectl port-forward` opens on the node's own loopback address."""
    process = subprocess.Popen([NODE, "kubectl", "-n", "toyou", "port-forward", pod, port], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True)
    try:
        assert "Forwarding from 127.0.0.1:" + port in process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.wait()


def test_admin_commands_of_the_documents(node, release):
    """The curl commands, through the port-forward commands beside them."""
    del release
    with open(os.path.join(TOP, "docs", "alerts.md"), encoding="utf-8") as file:
        alerts = file.read()
    with open(os.path.join(TOP, "docs", "install.md"), encoding="utf-8") as file:
        install = file.read()
    pod = node.pods()[0]
    ports = re.findall(r"^ {4}kubectl -n toyou port-forward POD (\d+)$", alerts, re.MULTILINE)
    commands = re.findall(r"^ {4}(curl .*)$", alerts + install, re.MULTILINE) + re.findall(r"`(curl [^`]*)`", alerts)
    assert sorted(ports) == ["9901", "9904"] and len(commands) >= 7
    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(forwarded(pod["metadata"]["name"], port))
        for command in commands:
            words = shlex.split(command.replace("POD-IP", pod["status"]["podIP"]).replace("$ADDRESS", ADDRESS))
            where = "client" if ADDRESS in command else "exec"
            assert node.run(where, words[0], "-sS", "--fail", *words[1:]).strip(), command
        node.run("exec", "curl", "-sS", "--fail", "-X", "PUT", "127.0.0.1:9904/api/v1/log-level?level=info")


def test_rolling_restart_closes_every_websocket_once_with_1012(node, load, figure):
    clients = load()
    node.kubectl("-n", "toyou", "rollout", "restart", "deploy/toyou")
    node.rolled_out("toyou")
    node.settled(2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert seen["ends"] == {"close 1012": SOCKETS, "open": SOCKETS}
    assert set(seen["events_ended"]) <= {"between events"}
    closes = {int(second): count for second, count in seen["seconds"].items()}
    begin, end = min(closes), max(closes)
    figure("closes a second of two pods with a drain period of %d s:" % DRAIN[1], [closes.get(n, 0) for n in range(begin, end + 1)])
    # Over the period, evenly: not all at its begin or end.
    assert end - begin >= DRAIN[1] * 0.6, closes
    assert max(closes.values()) <= SOCKETS / 2, closes


def test_scaling_loses_nothing(node, load):
    clients = load()
    node.upgrade(replicas=3)
    node.settled(3)
    node.upgrade(replicas=1)
    node.settled(1)
    node.upgrade(replicas=2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert set(seen["ends"]) <= {"close 1012", "open"}, seen["ends"]


def test_killed_controller_is_not_noticed_and_another_writes_status(node, load, figure):
    node.settled(2)
    clients, before = load(), node.restarts("controller")
    holder = eventually(node.holder, LONG)
    (pod,) = [pod for pod in node.pods() if holder.startswith(pod["metadata"]["name"] + "_")]
    node.kill_container(pod, "controller")
    killed = time.monotonic()
    eventually(lambda: node.holder() not in ("", holder), LONG, every=0.2)
    figure("status is written again %.1f s after its controller was killed" % (time.monotonic() - killed))
    assert time.monotonic() - killed < 15 + 5  # of a busy machine
    eventually(lambda: node.restarts("controller") == before + 1, LONG, every=0.2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["ends"] == {"open": SOCKETS}


def test_api_server_away_is_not_noticed(node, load):
    clients = load()
    node.run("stop", "apiserver", "KILL")
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            clients.more()
            assert "from the backend" in node.fetch()
    finally:
        node.run("start", "apiserver")
    eventually(lambda: node.kubectl("get", "--raw", "/readyz", check=False) == "ok", LONG, every=0.2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["ends"] == {"open": SOCKETS}
    node.settled(2)


def test_killed_dataplane_comes_back_with_its_routes(node, load):
    clients, before = load(), node.restarts("dataplane")
    node.kill_container(node.pods()[0], "dataplane")
    eventually(lambda: node.restarts("dataplane") == before + 1, LONG, every=0.2)
    node.settled(2)
    seen = clients.end()
    lost = [how for how in seen["ends"] if how.startswith("no close frame")]
    assert lost and set(seen["ends"]) == {"open", *lost}
    assert seen["ends"]["open"] == SOCKETS  # all came back


def test_upgrade_and_rollback_lose_nothing(node, load):
    clients = load()
    node.upgrade(**{"log.level": "debug"})
    node.settled(2)
    node.helm("rollback", "toyou", "1", "-n", "toyou")
    node.rolled_out("toyou")
    node.settled(2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert set(seen["ends"]) == {"close 1012", "open"}, seen["ends"]


def test_a_drain_of_the_node_takes_one_pod_at_a_time(node, load):
    """The PodDisruptionBudget holds the second one until the first has a successor, which finds no node here."""
    (machine,) = node.get("nodes")["items"]
    name = machine["metadata"]["name"]
    clients, before = load(), {pod["metadata"]["name"] for pod in node.pods()}
    try:
        said = node.run("kubectl", "drain", name, "--pod-selector=app.kubernetes.io/name=toyou", "--delete-emptydir-data",
                        "--timeout=%ds" % (sum(DRAIN) + 20), check=False)
        assert said.count("evicted") == 1, said
        left = [pod["metadata"]["name"] for pod in node.pods() if pod["spec"].get("nodeName")]
        assert len(left) == 1 and set(left) < before
        clients.more()
    finally:
        node.kubectl("uncordon", name)
    node.settled(2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert set(seen["ends"]) == {"close 1012", "open"}, seen["ends"]


def test_a_backend_that_ends_keeps_its_websockets_until_it_is_gone(node, load, echo):
    echo("echo")
    node.apply(manifests.ingress("echo", "echo.example.com", "echo", "echo"))
    eventually(lambda: "echo of /" in node.fetch("/", "echo.example.com"), LONG, every=0.1)
    clients = load("--host", "echo.example.com", websockets=50)
    pods = [pod["metadata"]["name"] for pod in node.get("-n", "echo", "pods", "-l", "app=echo")["items"]]
    node.kubectl("-n", "echo", "delete", "pod", pods[0], "--wait=false")
    ending = time.monotonic()
    while time.monotonic() < ending + 8:  # of the 10 s of its preStop
        clients.more()
    assert clients.report()["ends"] == {}
    eventually(lambda: clients.report()["ends"], LONG)  # now its process ends, and they with it
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert set(seen["ends"]) == {"close 1014", "open"} and 0 < seen["ends"]["close 1014"] < 50, seen["ends"]


def test_a_release_for_one_namespace_sees_no_other(node, echo):
    """Beside the first release, with a class and an account of its own."""
    for namespace in ("team", "others"):
        echo(namespace)
        own = manifests.ingress("echo", namespace + ".example.com", "echo", namespace)
        own["spec"]["ingressClassName"] = "team"
        node.apply(own)
    repository, tag = os.environ["TOYOU_IMAGE"].rsplit(":", 1)
    values = ("image.repository=%s,image.tag=%s,watchNamespaces={team},ingressClass.name=team,replicas=1,service.type=ClusterIP,"
              "drain.delay=0,drain.period=0" % (repository, tag))
    node.helm("install", "scoped", CHART, "-n", "scoped", "--create-namespace", "--set", values)
    node.kubectl("-n", "scoped", "rollout", "status", "deploy/scoped-toyou", "--timeout=120s")
    address = node.get("-n", "scoped", "service", "scoped-toyou")["spec"]["clusterIP"]

    def fetch(host):
        return node.run("exec", "curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: " + host,
                        "http://%s/" % address, check=False)

    eventually(lambda: fetch("team.example.com") == "200", LONG, every=0.1)
    assert fetch("others.example.com") == "404"
    node.helm("test", "scoped", "-n", "scoped")
    assert leftovers(node) == []
    node.helm("uninstall", "scoped", "-n", "scoped")
    for namespace in ("team", "scoped"):
        left = node.kubectl("-n", namespace, "get", "role,rolebinding,lease,svc,deploy,sa", "-o", "name").split()
        assert not [name for name in left if "scoped" in name], left


def test_the_dataplane_runs_under_the_shipped_seccomp_profile(node, release):
    del release
    name = "toyou-io-uring.json"
    profile = os.path.join(os.path.dirname(os.path.dirname(CHART)), "deploy", "seccomp", name)
    node.run("inside", "install", "-D", "-m", "0644", profile, "/var/lib/kubelet/seccomp/" + name)
    node.upgrade(**{"dataplane.seccompLocalhostProfile": name})
    node.settled(2)
    node.serves()
    for pod in node.pods():
        (dataplane,) = [c for c in pod["spec"]["containers"] if c["name"] == "dataplane"]
        assert dataplane["securityContext"]["seccompProfile"] == {"type": "Localhost", "localhostProfile": name}


def test_autoscaling_follows_live_websockets(node, load, metrics_adapter):
    """200 of them, 50 wanted in a pod: as many pods as may be. Neither the autoscaler nor the pods that it adds cost one."""
    del metrics_adapter
    clients = load()
    try:
        node.upgrade(**{"autoscaling.enabled": "true", "autoscaling.minReplicas": 1, "autoscaling.maxReplicas": 3,
                        "autoscaling.targetCPUUtilizationPercentage": 0, "autoscaling.targetWebSocketsPerPod": 50})
        eventually(lambda: node.get("-n", "toyou", "hpa", "toyou")["status"].get("currentMetrics"), LONG, every=1)
        node.settled(3)
        seen = clients.end()
    finally:
        node.upgrade("--force-conflicts", **{"autoscaling.enabled": "false", "replicas": 2})
    assert seen["http_failed"] == [] and seen["refused"] == 0 and seen["ends"] == {"open": SOCKETS}, seen["ends"]
    node.settled(2)


def test_memory_of_a_pod(node, load, many, figure):
    """With the numbers that docs/install.md plans with: 64 MiB, and 16 KiB for each WebSocket."""
    host, count = "memory.example.com", 5000
    node.apply(manifests.ingress("many", host, "many", many))
    node.upgrade(replicas=1)
    node.kubectl("-n", "toyou", "rollout", "restart", "deploy/toyou")
    node.rolled_out("toyou")
    node.settled(1)
    eventually(lambda: node.fetch("/", host) == "many\n", LONG, every=0.1)
    idle = {name: node.memory(name) for name in ("dataplane", "controller")}
    clients = load("--host", host, "--idle", websockets=count, clients=0)
    full = {name: node.memory(name) for name in ("dataplane", "controller")}
    seen = clients.end()
    assert seen["ends"] == {"open": count}, seen["ends"]
    node.upgrade(replicas=2)
    each = (full["dataplane"] - idle["dataplane"]) / count
    figure("memory of a pod: %s" % ", ".join("%s %.1f MB, with %d WebSockets %.1f MB" % (
        name, idle[name] / 1e6, count, full[name] / 1e6) for name in idle), "(%.1f KiB each)" % (each / 1024))
    assert idle["dataplane"] < 64 << 20 and 0 < each < 16 << 10


FIRST_101 = """
import socket, sys, time
asks = (b"GET /echo HTTP/1.1\\r\\nHost: quick.example.com\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n"
        b"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\n\\r\\n")
while True:
    try:
        with socket.create_connection((sys.argv[1], 80), 2) as client:
            client.sendall(asks)
            if client.recv(12) == b"HTTP/1.1 101":
                break
    except OSError:
        pass
    time.sleep(0.05)
"""


def test_from_install_to_the_first_101(node, release, figure):
    del release
    repository, tag = os.environ["TOYOU_IMAGE"].rsplit(":", 1)
    values = ("image.repository=%s,image.tag=%s,ingressClass.name=quick,service.type=ClusterIP,drain.delay=0,drain.period=0,"
              "crds.install=false" % (repository, tag))
    node.kubectl("create", "namespace", "quick", check=False)
    own = manifests.ingress("demo", "quick.example.com", "demo", "toyou-demo")
    own["metadata"]["name"], own["spec"]["ingressClassName"] = "quick", "quick"
    node.apply(own)
    times = []
    for _ in range(5):
        begin = time.monotonic()
        node.helm("install", "quick", CHART, "-n", "quick", "--set", values)
        address = node.get("-n", "quick", "service", "quick-toyou")["spec"]["clusterIP"]
        node.run("exec", "timeout", str(LONG), "/usr/bin/python3", "-c", FIRST_101, address)
        times.append(time.monotonic() - begin)
        node.helm("uninstall", "quick", "-n", "quick", "--wait")
    node.kubectl("-n", "toyou-demo", "delete", "ingress", "quick")
    figure("helm install to the first 101: median of five %.1f s, all %s" % (
        statistics.median(times), ", ".join("%.1f" % seconds for seconds in times)))


def test_uninstall_leaves_the_crd_alone(node, release):
    node.helm("uninstall", release, "-n", "toyou")
    eventually(lambda: not node.pods(), LONG, every=0.5)
    kinds = "deploy,rs,svc,sa,pdb,cm,lease,role,rolebinding"
    left = node.kubectl("-n", "toyou", "get", kinds, "-o", "name").split()
    assert sorted(left) == ["configmap/kube-root-ca.crt", "serviceaccount/default"]
    everywhere = node.kubectl("get", "clusterrole,clusterrolebinding,ingressclass,crd", "-o", "name").split()
    assert [name for name in everywhere if "toyou" in name.split("/")[1]] == [
        "customresourcedefinition.apiextensions.k8s.io/websocketroutes.toyou.dev"]
