"""TLS: the certificate that was given, or one made for this one run.

The one thing to notice: a certificate of our own making proves nothing to anybody who was not told of it. So clients
have to name it themselves (`--cafile`); there is no switch that makes them trust everything.
"""

import ipaddress
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from server.settings import Settings

NAMES = ("127.0.0.1", "localhost", "::1")


class BadCertificate(OSError):
    """The certificate and key that were given cannot be used; the message says why."""


def encryption(settings: Settings) -> ssl.SSLContext | None:
    """What to serve with; None for plain HTTP. Raises BadCertificate."""
    if not settings.certfile:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996 retires what is older
    try:
        context.load_cert_chain(settings.certfile, settings.keyfile)
    except OSError as error:  # ssl.SSLError is one
        raise BadCertificate(
            f"{settings.certfile} and {settings.keyfile} cannot be used for TLS: {error.strerror or error}. "
            "Give a certificate chain and its private key, both in PEM."
        ) from None
    return context


@contextmanager
def own_certificate(settings: Settings) -> Iterator[tuple[Settings, Path]]:
    """The settings with a certificate of our own making, and what clients have to trust; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pushlab-") as folder:
        cafile, certfile, keyfile = certificate(Path(folder), *reachable(settings.host))
        yield replace(settings, certfile=str(certfile), keyfile=str(keyfile)), cafile


def reachable(host: str) -> list[str]:
    """The addresses at which a server that listens there is reached."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - it is asked about, not listened on
        return [host]
    import psutil  # here, as below

    known = [each.address for addresses in psutil.net_if_addrs().values() for each in addresses]
    return [address for address in known if _is_number(address)]


def _is_number(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_loopback
    except ValueError:  # an Ethernet address, or one that is for one link only
        return False


def certificate(folder: Path, *names: str) -> tuple[Path, Path, Path]:
    """Make an authority that exists for this one run, and a certificate of it for loopback and `names`.

    Gives three files in PEM: what clients should trust, and the server's certificate and key.
    """
    import trustme  # here, since a server without it can do without its memory

    authority = trustme.CA()
    issued = authority.issue_cert(*dict.fromkeys((*NAMES, *names)))
    cafile, certfile, keyfile = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(str(cafile))
    issued.cert_chain_pems[0].write_to_path(str(certfile))
    issued.private_key_pem.write_to_path(str(keyfile))
    return cafile, certfile, keyfile
