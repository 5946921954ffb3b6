"""Private PostgreSQL and Redis under the data directory: started on first use, stopped with the program.

The binaries come from wheels (or the PATH, for Redis) and are driven directly, not through the wheels'
Python: that leaves foreign directories as they are, makes no system user, and can name another owner.
"""

from marketsentry.adapters.embedded.engines import EmbeddedEngines, Engines
from marketsentry.adapters.embedded.keep_alive import kept_alive
from marketsentry.adapters.embedded.lock import Owner, read_owner

__all__ = ["EmbeddedEngines", "Engines", "Owner", "kept_alive", "read_owner"]
