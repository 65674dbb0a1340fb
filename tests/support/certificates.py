"""Certificates for tests, made by the openssl program when they are needed."""
import hashlib
import os
import ssl
import subprocess

KEYS = {"ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"],
        "ed25519": ["-newkey", "ed25519"]}


class Certificate:
    """A chain in PEM, leaf first, and the key of its leaf."""

    def __init__(self, chain, key):
        self.chain, self.key = chain, key

    @property
    def fingerprint(self):
        end = "-----END CERTIFICATE-----\n"
        return fingerprint(ssl.PEM_cert_to_DER_cert(self.chain[:self.chain.index(end) + len(end)]))


def fingerprint(der):
    return hashlib.sha256(der).hexdigest()


class Authority:
    """Issues certificates; `file` is what clients trust."""

    def __init__(self, folder, name="root", parent=None):
        self.folder, self.name, self.parent, self._count = str(folder), name, parent, 0
        self.file, self._key = (os.path.join(self.folder, name + suffix) for suffix in (".crt", ".key"))
        _make(self.file, self._key, "ecdsa", "/CN=%s" % name, parent,
              ["basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign,cRLSign"])

    def intermediate(self, name):
        return Authority(self.folder, name, self)

    def issue(self, *names, key="ecdsa"):
        self._count += 1
        files = [os.path.join(self.folder, "%s-%d%s" % (self.name, self._count, suffix)) for suffix in (".crt", ".key")]
        _make(*files, key, "/CN=%s" % names[0], self, ["subjectAltName=" + ",".join("DNS:" + name for name in names)])
        leaf, private = (_read(file) for file in files)
        return Certificate(leaf + (_read(self.file) if self.parent else ""), private)

    def issue_nameless(self, name):
        """Of the old kind: its name is the common name, and nothing else."""
        self._count += 1
        files = [os.path.join(self.folder, "%s-%d%s" % (self.name, self._count, suffix)) for suffix in (".crt", ".key")]
        _make(*files, "ecdsa", "/CN=" + name, self, ["basicConstraints=CA:false"])
        return Certificate(*(_read(file) for file in files))

    def issue_expired(self, name):
        """One that ended in 2020. `openssl req` makes none that has ended, `openssl ca` does."""
        self._count += 1
        leaf, key, request, config, database = (
            os.path.join(self.folder, "%s-%d.%s" % (self.name, self._count, suffix))
            for suffix in ("crt", "key", "csr", "cnf", "db"))
        _run(["openssl", "req", "-new", *KEYS["ecdsa"], "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=" + name,
              "-config", "/dev/null"])
        _write(database, "")
        _write(config, "[ca]\ndefault_ca=c\n[c]\ndatabase=%s\nnew_certs_dir=%s\nrand_serial=yes\ndefault_md=sha256\n"
               "policy=p\nunique_subject=no\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:%s\n"
               % (database, self.folder, name))
        _run(["openssl", "ca", "-config", config, "-cert", self.file, "-keyfile", self._key, "-in", request, "-out", leaf,
              "-startdate", "20190101000000Z", "-enddate", "20200101000000Z", "-batch", "-notext"])
        return Certificate(_read(leaf), _read(key))


def _read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _run(argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr


def _make(certificate, private, kind, subject, issuer, extensions):
    argv = ["openssl", "req", "-x509", *KEYS[kind], "-nodes", "-keyout", private, "-out", certificate, "-days", "30",
            "-subj", subject, "-config", "/dev/null"]
    for extension in extensions:
        argv += ["-addext", extension]
    if issuer:
        argv += ["-CA", issuer.file, "-CAkey", issuer._key]
    _run(argv)
