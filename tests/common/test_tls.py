"""TLS and mutual TLS between the SDK and the server."""

import asyncio

import pytest

from codearena import ArenaClient, TLSConfig, UnavailableError
from tests.common.certificates import make_certificate
from tests.common.stand import served


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "server")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "other")


def count(address, **options):
    with ArenaClient(address, max_attempts=1, timeout_seconds=10, **options) as arena:
        return len(list(arena.list_tasks()))


async def ask(address, **options):
    return await asyncio.to_thread(count, address, **options)


async def test_tls(own, other):
    files = {"tls_certificate_file": own.certificate, "tls_key_file": own.key}
    async with served(**files) as env:
        assert await ask(env.address, tls=TLSConfig(own.certificate)) == 0
        assert await ask(env.address, tls=TLSConfig(own.certificate.read_bytes(), server_name="arena.test")) == 0
        for refused in (None, TLSConfig(other.certificate), TLSConfig(own.certificate, server_name="elsewhere.test")):
            with pytest.raises(UnavailableError):
                await ask(env.address, tls=refused)


async def test_tls_with_a_token(own):
    files = {"tls_certificate_file": own.certificate, "tls_key_file": own.key}
    async with served(token="opensesame", **files) as env:
        assert await ask(env.address, tls=TLSConfig(own.certificate), token="opensesame") == 0


async def test_mutual_tls(own, other):
    files = {"tls_certificate_file": own.certificate, "tls_key_file": own.key, "tls_client_ca_file": other.certificate}
    async with served(**files) as env:
        known = TLSConfig(own.certificate, private_key=other.key, certificate_chain=other.certificate)
        assert await ask(env.address, tls=known) == 0
        unknown = TLSConfig(own.certificate, private_key=own.key, certificate_chain=own.certificate)
        for refused in (TLSConfig(own.certificate), unknown):
            with pytest.raises(UnavailableError):
                await ask(env.address, tls=refused)


async def test_a_certificate_that_is_not_there(own, tmp_path):
    with pytest.raises(OSError):
        async with served(tls_certificate_file=tmp_path / "none.pem", tls_key_file=own.key):
            pass
