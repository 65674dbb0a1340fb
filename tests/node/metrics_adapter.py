#!/usr/bin/env python3
"""What prometheus-adapter is to a HorizontalPodAutoscaler, without Prometheus: pod metrics from the pods themselves.

usage: metrics_adapter.py CERTIFICATE KEY PORT

Serves custom.metrics.k8s.io/v1beta1 by HTTPS. A metric of a pod is the sum of its series at port 9903, as
docs/monitoring.md has the rule for the real one. Runs where kubectl reaches the cluster and pods can be reached.
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

GROUP = "custom.metrics.k8s.io/v1beta1"
METRIC = "toyou_websocket_active"
ASKED = re.compile(r"/apis/%s/namespaces/([a-z0-9-]+)/pods/\*/(\w+)" % re.escape(GROUP))


def pods(namespace, selector):
    text = subprocess.run(["kubectl", "-n", namespace, "get", "pods", "-l", selector, "-o", "json"], check=True, capture_output=True,
                          text=True).stdout
    return [pod for pod in json.loads(text)["items"] if pod["status"].get("podIP") and pod["status"]["phase"] == "Running"]


def value_of(pod, metric):
    with urllib.request.urlopen("http://%s:9903/metrics" % pod["status"]["podIP"], timeout=5) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(r"^%s(?:\{.*\})? (\S+)$" % metric, text, re.MULTILINE))


def values(namespace, metric, selector):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"kind": "MetricValueList", "apiVersion": GROUP, "metadata": {}, "items": [
        {"describedObject": {"kind": "Pod", "namespace": namespace, "name": pod["metadata"]["name"], "apiVersion": "/v1"},
         "metricName": metric, "timestamp": now, "value": "%d" % value_of(pod, metric), "selector": None}
        for pod in pods(namespace, selector)]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if match := ASKED.fullmatch(urllib.parse.unquote(url.path)):
            selector = urllib.parse.parse_qs(url.query).get("labelSelector", [""])[0]
            return self.answer(values(match[1], match[2], selector))
        if url.path == "/apis/" + GROUP:
            return self.answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP, "resources": [
                {"name": "pods/" + METRIC, "singularName": "", "namespaced": True, "kind": "MetricValueList", "verbs": ["get"]}]})
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
