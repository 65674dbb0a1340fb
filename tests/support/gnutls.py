"""A client of another make: libcurl on GnuTLS, through ctypes. Verifies chain and name."""
import ctypes
import ctypes.util
import re

LIBRARY = "libcurl-gnutls.so.4"
URL, WRITE_FUNCTION, CA_FILE, RESOLVE, TIMEOUT, NO_SIGNAL, PROXY = 10002, 20011, 10065, 10203, 13, 99, 10004
RESPONSE_CODE = 0x200002


class Failed(AssertionError):
    """libcurl's words."""


def available():
    try:
        return b"GnuTLS" in _library().curl_version()
    except OSError:
        return False


def _library():
    library = ctypes.CDLL(LIBRARY)
    library.curl_version.restype = library.curl_easy_strerror.restype = ctypes.c_char_p
    library.curl_easy_init.restype = library.curl_slist_append.restype = ctypes.c_void_p
    return library


def get(url, authority):
    """(status, body). Every name is at 127.0.0.1."""
    curl, body = _library(), []
    host, port = re.match(r"https://([^:/]+):(\d+)", url).groups()
    handle = ctypes.c_void_p(curl.curl_easy_init())
    names = ctypes.c_void_p(curl.curl_slist_append(None, b"%s:%s:127.0.0.1" % (host.encode(), port.encode())))

    @ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
    def write(data, size, count, _):
        body.append(data[:size * count])
        return size * count

    try:
        for option, value in ((URL, url.encode()), (CA_FILE, authority.encode()), (RESOLVE, names), (WRITE_FUNCTION, write),
                              (TIMEOUT, ctypes.c_long(20)), (NO_SIGNAL, ctypes.c_long(1)), (PROXY, b"")):
            curl.curl_easy_setopt(handle, ctypes.c_int(option), value)
        result = curl.curl_easy_perform(handle)
        if result != 0:
            raise Failed(curl.curl_easy_strerror(result).decode())
        status = ctypes.c_long()
        curl.curl_easy_getinfo(handle, ctypes.c_int(RESPONSE_CODE), ctypes.byref(status))
        return status.value, b"".join(body)
    finally:
        curl.curl_easy_cleanup(handle)
        curl.curl_slist_free_all(names)
