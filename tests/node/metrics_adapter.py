#!/usr/bin/env python3
"""What prometheus-adapter and metrics-server are to a HorizontalPodAutoscaler.

usage: metrics_adapter.py CERTIFICATE KEY PORT

Serves custom.metrics.k8s.io/v1beta1 by HTTPS, without Prometheus: a metric of a pod is the sum of its series at port 9903, as
docs/monitoring.md has the rule for the real one. And metrics.k8s.io/v1beta1: what the kubelet says that containers take.
Runs where kubectl reaches the cluster and pods can be reached.
"""
import datetime
import http.server
import json
import re
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request

CUSTOM, RESOURCE = "custom.metrics.k8s.io/v1beta1", "metrics.k8s.io/v1beta1"
METRIC = "toyou_websocket_active"
NAMES = {CUSTOM: ("pods/" + METRIC, "MetricValueList"), RESOURCE: ("pods", "PodMetrics")}
ASKED = re.compile(r"/apis/(%s|%s)/namespaces/([a-z0-9-]+)/pods(?:/\*/(\w+))?" % (re.escape(CUSTOM), re.escape(RESOURCE)))


def kubectl(*arguments):
    return json.loads(subprocess.run(["kubectl", *arguments], check=True, capture_output=True, text=True).stdout)


def pods(namespace, selector):
    found = kubectl("-n", namespace, "get", "pods", "-l", selector, "-o", "json")["items"]
    return [pod for pod in found if pod["status"].get("podIP") and pod["status"]["phase"] == "Running"]


def value_of(pod, metric):
    with urllib.request.urlopen("http://%s:9903/metrics" % pod["status"]["podIP"], timeout=5) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(r"^%s(?:\{.*\})? (\S+)$" % metric, text, re.MULTILINE))


def values(namespace, metric, selector):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"kind": "MetricValueList", "apiVersion": CUSTOM, "metadata": {}, "items": [
        {"describedObject": {"kind": "Pod", "namespace": namespace, "name": pod["metadata"]["name"], "apiVersion": "/v1"},
         "metricName": metric, "timestamp": now, "value": "%d" % value_of(pod, metric), "selector": None}
        for pod in pods(namespace, selector)]}


def usage(namespace, selector):
    (node,) = kubectl("get", "nodes", "-o", "json")["items"]
    said = kubectl("get", "--raw", "/api/v1/nodes/%s/proxy/stats/summary" % node["metadata"]["name"])
    taken = {pod["podRef"]["uid"]: [c for c in pod.get("containers", []) if "usageNanoCores" in c.get("cpu", {})] for pod in said["pods"]}
    return {"kind": "PodMetricsList", "apiVersion": RESOURCE, "metadata": {}, "items": [
        {"metadata": {name: pod["metadata"][name] for name in ("name", "namespace", "labels")}, "window": "10s",
         "timestamp": min(container["cpu"]["time"] for container in containers),
         "containers": [{"name": container["name"], "usage": {"cpu": "%dn" % container["cpu"]["usageNanoCores"],
                                                              "memory": str(container["memory"]["workingSetBytes"])}}
                        for container in containers]}
        for pod in pods(namespace, selector) if (containers := taken.get(pod["metadata"]["uid"]))]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if match := ASKED.fullmatch(urllib.parse.unquote(url.path)):
            group, namespace, metric = match.groups()
            selector = urllib.parse.parse_qs(url.query).get("labelSelector", [""])[0]
            return self.answer(values(namespace, metric, selector) if group == CUSTOM else usage(namespace, selector))
        if names := NAMES.get(url.path.removeprefix("/apis/")):
            name, kind = names
            return self.answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": url.path.removeprefix("/apis/"), "resources": [
                {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get", "list"]}]})
        return self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}, 404)

    def answer(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def main():
    certificate, key, port = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("", int(port)), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
