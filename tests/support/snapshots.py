"""Snapshot directories, read and written by hand: content-addressed objects, pages, the root."""
import hashlib
import json
import os


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def page_of(key):
    return digest(key.encode())[:2]


class Snapshot:
    """Objects by key, as in a directory; `write` publishes them as the next generation."""

    def __init__(self, directory):
        self.directory = directory
        self.manifest = json.loads(self._read("manifest.json"))
        self.objects = {}
        for page in self.manifest["pages"].values():
            for key, name in json.loads(self._read("index", page + ".json")).items():
                self.objects[key] = json.loads(self._read("objects", name + ".json"))

    def _read(self, *names):
        with open(os.path.join(self.directory, *names), "rb") as file:
            return file.read()

    def _write(self, *names, data):
        path = os.path.join(self.directory, *names)
        with open(path + ".part", "wb") as file:
            file.write(data)
        os.rename(path + ".part", path)

    def key(self, start):
        """The one key that begins so."""
        (found,) = [key for key in self.objects if key.startswith(start)]
        return found

    def put(self, folder, data):
        name = digest(data)
        self._write(folder, name + ".json", data=data)
        return name

    def pages(self):
        """Writes the objects and their pages; {page: digest}."""
        index = {}
        for key, value in self.objects.items():
            data = value if isinstance(value, bytes) else canonical(value)
            index.setdefault(page_of(key), {})[key] = self.put("objects", data)
        return {page: self.put("index", canonical(keys)) for page, keys in index.items()}

    def root(self, pages, generation=None, major=1, **more):
        self.manifest["generation"] += 1
        manifest = {"schema": {"major": major, "minor": 0},
                    "generation": self.manifest["generation"] if generation is None else generation, "pages": pages, **more}
        self.manifest["pages"] = pages
        self.write_root(canonical(manifest))
        return manifest

    def write_root(self, data):
        self._write("manifest.json", data=data)

    def publish(self, **options):
        return self.root(self.pages(), **options)
