"""An authority of clients: certificates with any validity, revocation lists. Made by the openssl program."""
import datetime
import os
import subprocess
import tempfile

from support.tls import client_context

CONFIG = """
[ca]
default_ca = authority
[authority]
database = {folder}/index
serial = {folder}/serial
crlnumber = {folder}/crlnumber
new_certs_dir = {folder}
certificate = {folder}/ca.crt
private_key = {folder}/ca.key
default_md = sha256
policy = anything
unique_subject = no
copy_extensions = copy
[anything]
commonName = optional
organizationName = optional
[req]
distinguished_name = none
[none]
"""


class ClientCertificate:
    """Files, as clients load them: the chain without the root."""

    def __init__(self, chain, key):
        self.chain, self.key = chain, key

    def load(self, context):
        context.load_cert_chain(self.chain, self.key)
        return context


class ClientAuthority:
    def __init__(self, folder, name="clients", parent=None, end=30):
        """`end`: days from now, of one that has a parent."""
        self.folder = tempfile.mkdtemp(dir=str(folder), prefix=name)
        self.parent, self._count = parent, 0
        with open(self._at("config"), "w", encoding="ascii") as file:
            file.write(CONFIG.format(folder=self.folder))
        for part, content in (("index", ""), ("serial", "1000\n"), ("crlnumber", "01\n")):
            with open(self._at(part), "w", encoding="ascii") as file:
                file.write(content)
        extensions = ["basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign,cRLSign"]
        if parent is None:
            _openssl("req", "-x509", *_request("/CN=" + name, self._at("ca.key"), extensions), "-days", "30", "-out", self.file)
        else:
            made = parent.issue(name, end=end, extensions=extensions, key=self._at("ca.key"))
            os.rename(made.chain, self.file)

    def _at(self, name):
        return os.path.join(self.folder, name)

    @property
    def file(self):
        return self._at("ca.crt")

    @property
    def pem(self):
        return _read(self.file)

    def _ca(self, *argv):
        _openssl("ca", "-batch", "-notext", "-config", self._at("config"), *argv)

    def issue(self, name, subject=None, start=-1, end=30, extensions=(), key=None):
        """`start`, `end`: days from now."""
        self._count += 1
        stem = self._at("%s-%d" % (name, self._count))
        key = key or stem + ".key"
        _openssl("req", "-new", *_request(subject or "/CN=" + name, key, extensions), "-out", stem + ".csr")
        self._ca("-in", stem + ".csr", "-out", stem + ".crt", "-startdate", _date(start), "-enddate", _date(end))
        return ClientCertificate(stem + ".crt", key)

    def chain(self, certificate):
        """The same certificate with the intermediate ones behind it."""
        authority = self
        with open(certificate.chain, "a", encoding="ascii") as file:
            while authority.parent is not None:
                file.write(authority.pem)
                authority = authority.parent
        return certificate

    def revoke(self, certificate):
        self._ca("-revoke", certificate.chain)

    def revocations(self):
        self._ca("-gencrl", "-crldays", "30", "-out", self._at("crl"))
        return _read(self._at("crl"))


def with_certificate(certificate, **options):
    """A client's context that shows `certificate`; None: none."""
    context = client_context(**options)
    return certificate.load(context) if certificate else context


def _request(subject, key, extensions):
    argv = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj", subject, "-utf8",
            "-config", "/dev/null"]
    for extension in extensions:
        argv += ["-addext", extension]
    return argv


def _date(days):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return moment.strftime("%Y%m%d%H%M%SZ")


def _openssl(*argv):
    done = subprocess.run(["openssl", *argv], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr


def _read(path):
    with open(path, encoding="ascii") as file:
        return file.read()
