"""Waiting for something to become true, with the last failure in the message."""
import time


def eventually(check, seconds=8, every=0.02):
    """Calls `check` until it returns something true and raises nothing; returns that. After
    `seconds` the last exception is raised, or an AssertionError with the last value."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            value = check()
            if value:
                return value
            problem = AssertionError("still %r after %g s" % (value, seconds))
        except (AssertionError, OSError, EOFError, KeyError) as error:
            problem = error
        if time.monotonic() >= deadline:
            raise problem
        time.sleep(every)
