"""Owns the image's health check: asks /healthz of the server in this container, as its settings say it listens."""

import http.client
import os
import ssl
import sys

SECONDS = 4


def connection() -> http.client.HTTPConnection:
    """Return a connection to the server, not made yet; whose name a certificate bears does not matter in here."""
    port = int(os.environ.get("CONVOY_PORT") or os.environ.get("AIP_HTTP_PORT") or 8000)
    if not os.environ.get("CONVOY_TLS_CERT"):
        return http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=unchecked)


if __name__ == "__main__":
    asked = connection()
    asked.request("GET", "/healthz")
    sys.exit(asked.getresponse().status != http.HTTPStatus.OK)
