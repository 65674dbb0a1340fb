"""Kubernetes objects as Python values, and a folder of them that changes by rename."""
import base64
import os

import yaml

CONTROLLER = "toyou.dev/ingress-controller"


def ingress_class(name="toyou", default=False):
    annotations = {"ingressclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": name, "annotations": annotations}, "spec": {"controller": CONTROLLER}}


def service(name, endpoints, namespace="default", port=80, app_protocol=None):
    """A Service `name` (port 80, "http") and its EndpointSlices: one for each port number that the
    (address, port) pairs use."""
    objects = [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
                "spec": {"ports": [{"name": "http", "port": port, **({"appProtocol": app_protocol} if app_protocol else {})}]}}]
    for number in sorted({endpoint[1] for endpoint in endpoints}):
        objects.append({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "%s-%d" % (name, number), "namespace": namespace,
                         "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "http", "port": number, "protocol": "TCP"}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}
                          for address, at in endpoints if at == number]})
    return objects


def tls_secret(name, certificate, authority=None, namespace="default"):
    """`authority`: in ca.crt, too."""
    data = {"tls.crt": certificate.chain, "tls.key": certificate.key}
    if authority:
        with open(authority.file, encoding="ascii") as file:
            data["ca.crt"] = file.read()
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": namespace},
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}}


def ingress(name, host, service_name, namespace="default", path="/", path_type="Prefix", port=80):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"ingressClassName": "toyou", "rules": [{"host": host, "http": {"paths": [
                {"path": path, "pathType": path_type,
                 "backend": {"service": {"name": service_name, "port": {"number": port}}}}]}}]}}


def websocket_route(name, host, service_name, namespace="default", port=80, **spec):
    spec = {"ingressClassName": "toyou", "hosts": [host], "protocols": ["WebSocket", "SSE", "HTTP"],
            "backends": [{"service": {"name": service_name, "port": port}}], **spec}
    return {"apiVersion": "toyou.dev/v1alpha1", "kind": "WebSocketRoute",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def dump(objects):
    return yaml.safe_dump_all(objects, sort_keys=False)


class Folder:
    """A manifest folder; every change is one rename."""

    def __init__(self, path):
        self.path = str(path)
        os.makedirs(self.path, exist_ok=True)

    def write(self, name, objects):
        """`objects`: a list of objects, or the text itself."""
        text = objects if isinstance(objects, (str, bytes)) else dump(objects)
        data = text.encode() if isinstance(text, str) else text
        temporary = os.path.join(self.path, "." + name + ".part")
        with open(temporary, "wb") as file:
            file.write(data)
        os.rename(temporary, os.path.join(self.path, name))

    def remove(self, name):
        os.unlink(os.path.join(self.path, name))
