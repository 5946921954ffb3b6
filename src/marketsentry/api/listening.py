"""The socket to serve on, apart from the application: a supervisor opens it and never answers on it."""

import socket

from marketsentry.exceptions import ConflictError


def listen(host: str, port: int) -> socket.socket:
    """Open the socket to serve on, before anything else is started: a taken address is said at once.

    Parameters
    ----------
    host : str
        A loopback address; an IPv6 one may stand in brackets.
    port : int
        0 takes any free one.

    Returns
    -------
    socket.socket
        Listening; the caller closes it.

    Raises
    ------
    ConflictError
        If the address is taken.
    """
    try:
        return socket.create_server((host.strip("[]"), port), family=_family(host))
    except OSError as error:
        raise ConflictError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another address with MS_API_BIND"
        ) from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
