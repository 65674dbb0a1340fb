"""What the chart installs, and what the documents say to do with it."""
import statistics
import time

from node_rig import ADDRESS, LONG, SOCKETS
from support import documents, manifests
from support.certificates import Authority
from support.wait import eventually


def test_it_serves(node, release):
    assert '"X-Forwarded-For": "198.18.0.2"' in node.fetch()  # the client's own address: externalTrafficPolicy Local
    ingress = node.get("-n", "toyou-demo", "ingress", "demo")
    assert ingress["status"]["loadBalancer"]["ingress"][0]["ip"] == ADDRESS
    node.kubectl("-n", "toyou-demo", "wait", "--for=condition=Programmed", "wsr/chat", "--timeout=60s")
    (test,) = documents.matching(r"helm test")
    said = node.shell(test + " --logs")
    for check in ("ready", "http", "websocket", "events"):
        assert "ok      " + check in said, said
    assert leftovers(node) == []


def leftovers(node):
    """What a helm test has left."""
    return node.kubectl("get", "pod,service,ingress", "-A", "-l", "app.kubernetes.io/name=toyou-test", "-o", "name").split()


def test_a_helm_test_that_fails_cleans_up_too(node, release):
    """Nothing behind the Service: `helm test` fails and says what."""
    node.upgrade(**{"helmTest.wait": "5s"})
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


def test_commands_of_the_documents(node, release):
    del release
    for command in documents.matching(r"kubectl (-n \S+ )?(get (?!cert)|describe|exec)|ADDRESS=|curl POD-IP"):
        name = "chat" if " wsr " in command else "demo"
        assert node.shell(command, "client" if "ADDRESS" in command else "exec", NAME=name, **node.words()).strip(), command


def test_admin_commands_of_the_documents(node, release):
    """The curl commands, through the port-forward commands beside them."""
    del release
    with node.forwarded(documents.matching(r"kubectl -n toyou port-forward")):
        for command in documents.matching(r"curl (-X PUT )?\S*127"):
            assert node.shell(command).strip(), command
        node.shell("curl -X PUT '127.0.0.1:9904/api/v1/log-level?level=info'")


def serve_echo(node, namespace, class_name):
    """An Ingress of the class for the Service "echo" of the namespace; its host."""
    own = manifests.ingress(class_name, "%s.%s.example.com" % (class_name, namespace), "echo", namespace)
    own["spec"]["ingressClassName"] = class_name
    node.apply(own)
    return own["spec"]["rules"][0]["host"]


def test_a_release_for_one_namespace_sees_no_other(node, echo):
    """Beside the first release, with a class and an account of its own."""
    for namespace in ("team", "others"):
        echo(namespace)
    hosts = [serve_echo(node, namespace, "scoped") for namespace in ("team", "others")]
    with node.beside("scoped", watchNamespaces="{team}") as address:
        eventually(lambda: "echo of /" in node.fetch("/", hosts[0], address), LONG, every=0.1)
        assert "404" in node.fetch("/", hosts[1], address)
        node.helm("test", "scoped", "-n", "scoped")
        assert leftovers(node) == []
    for namespace in ("team", "scoped"):
        left = node.kubectl("-n", namespace, "get", "role,rolebinding,lease,svc,deploy,sa", "-o", "name").split()
        assert not [name for name in left if "scoped" in name], left


def test_the_dataplane_runs_under_the_shipped_seccomp_profile(node, echo):
    host = serve_echo(node, echo("team"), "sealed")
    (install,) = documents.matching(r"install ")
    node.shell(install, "inside")
    name = "toyou-io-uring.json"
    with node.beside("sealed", **{"dataplane.seccompLocalhostProfile": name}) as address:
        eventually(lambda: "echo of /" in node.fetch("/", host, address), LONG, every=0.1)
        (pod,) = node.get("-n", "sealed", "pods")["items"]
        (dataplane,) = pod["spec"]["containers"]
        assert dataplane["securityContext"]["seccompProfile"] == {"type": "Localhost", "localhostProfile": name}


def test_memory_of_a_pod(node, load, many, figure):
    """With the numbers that docs/install.md plans with: 64 MiB, and 16 KiB for each WebSocket."""
    host, count = "memory.example.com", 5000
    own = manifests.ingress("many", host, "many", many)
    own["spec"]["ingressClassName"] = "memory"
    node.apply(own)
    with node.beside("memory") as address:
        eventually(lambda: node.fetch("/", host, address) == "many\n", LONG, every=0.1)
        idle = node.memory("memory")
        clients = load("--host", host, "--idle", websockets=count, clients=0, address=address)
        full = node.memory("memory")
        seen = clients.end()
    assert seen["ends"] == {"open": count}, seen["ends"]
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
    """The namespace and the image are there."""
    del release
    own = manifests.ingress("demo", "quick.example.com", "demo", "toyou-demo")
    own["metadata"]["name"], own["spec"]["ingressClassName"] = "quick", "quick"
    node.apply(own)
    node.kubectl("create", "namespace", "quick")
    times = []
    for _ in range(3):
        begin = time.monotonic()
        with node.beside("quick", wait=False) as address:
            node.run("exec", "timeout", str(LONG), "/usr/bin/python3", "-c", FIRST_101, address)
            times.append(time.monotonic() - begin)
    node.kubectl("-n", "toyou-demo", "delete", "ingress", "quick")
    figure("helm install to the first 101: median of three %.1f s, all %s" % (
        statistics.median(times), ", ".join("%.1f" % seconds for seconds in times)))


def test_uninstall_leaves_the_crd_alone(node, release):
    del release
    (uninstall,) = documents.matching(r"helm uninstall")
    node.shell(uninstall)
    eventually(lambda: not node.pods(), LONG, every=0.5)
    kinds = "deploy,rs,svc,sa,pdb,cm,lease,role,rolebinding"
    left = node.kubectl("-n", "toyou", "get", kinds, "-o", "name").split()
    assert sorted(left) == ["configmap/kube-root-ca.crt", "serviceaccount/default"]
    everywhere = node.kubectl("get", "clusterrole,clusterrolebinding,ingressclass,crd", "-o", "name").split()
    assert [name for name in everywhere if "toyou" in name.split("/")[1]] == [
        "customresourcedefinition.apiextensions.k8s.io/websocketroutes.toyou.dev"]
