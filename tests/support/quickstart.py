"""scripts/run as a user starts it, on free ports."""
import os
import re
import signal

from support.toyou import BIN, SLOW, TOP, Process, children


class Quickstart(Process):
    def __init__(self, *flags):
        ports = [word for name in ("http", "https", "admin", "backend") for word in ("--%s-port" % name, "0")
                 if "--%s-port" % name not in flags]
        super().__init__([os.path.join(TOP, "scripts", "run"), "--no-build", *ports, *flags],
                         env={**os.environ, "TOYOU_BIN": BIN}, start_new_session=True)
        try:
            self.await_line(r"Ctrl-C ends everything", self.out, 30 * SLOW)
        except BaseException:
            self.kill()
            raise
        self.text = "\n".join(self.out)
        self.http = int(re.search(r"toyou +http://127\.0\.0\.1:(\d+)", self.text).group(1))
        self.admin = int(re.search(r"admin +http://127\.0\.0\.1:(\d+)", self.text).group(1))
        self.backend = int(re.search(r"demo backend +http://127\.0\.0\.1:(\d+)", self.text).group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def below(self):
        """All processes that it started."""
        found, queue = [], [self.pid]
        while queue:
            for pid in children(queue.pop()):
                found.append(pid)
                queue.append(pid)
        return found

    def stop(self, number=signal.SIGINT):
        self.send_signal(number)
        status = self.wait(30 * SLOW)
        assert status == 0, "exit status %d:\n%s" % (status, "\n".join(self.out + self.err[-30:]))
